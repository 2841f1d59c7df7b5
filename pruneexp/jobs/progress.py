"""What a sweep has come to: where its jobs stand, when they should be done, and tables of it for a terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pruneexp.errors import UserError
from pruneexp.jobs.folder import Jobs, SweepFolder, sweeps_in
from pruneexp.jobs.lines import labels
from pruneexp.jobs.state import JobState, State, read_state
from pruneexp.terminal import duration

#: Seconds between two looks at the folder.
EVERY = 1.0

#: Seconds for which nothing may run although jobs wait: between two jobs of a process, or in a short queue.
IDLE = 30.0

#: Columns that no table needs.
_UNLIMITED = 1_000_000

#: States of the jobs that are listed one by one, in this order.
_LISTED: tuple[State, ...] = ("failed", "lost", "stopped", "running")

#: All states, in the order in which they are counted.
STATES: tuple[State, ...] = ("done", *_LISTED, "waiting")


@dataclass(frozen=True)
class SweepProgress:
    """``jobs`` are the overrides, ``states`` where each stands, by the number of the job."""

    name: str
    jobs: Jobs
    states: tuple[JobState, ...]

    def numbers(self, *wanted: State) -> list[int]:
        """Jobs in any of these states."""
        return [number for number, state in enumerate(self.states) if state.state in wanted]

    @property
    def left(self) -> list[int]:
        """Jobs that the sweep's command runs; what failed by itself would fail again, and is left alone."""
        return self.numbers("waiting", "stopped", "lost")

    @property
    def stuck(self) -> bool:
        """Whether a job failed, or some are left and no process runs any."""
        return bool(self.numbers("failed") or (self.left and not self.numbers("running")))

    @property
    def counts(self) -> Counter[State]:
        return Counter(state.state for state in self.states)

    def counted(self, states: Sequence[State]) -> str:
        """How many jobs are in which of these states: ``3 done, 1 lost``; not those that no job is in."""
        return ", ".join(f"{self.counts[state]} {state}" for state in states if self.counts[state])

    @property
    def points(self) -> int | None:
        """Points asked for; None where nobody has counted them for every job."""
        asked = [state.points for state in self.states if state.points is not None]
        return sum(asked) if len(asked) == len(self.states) else None

    @property
    def points_done(self) -> int:
        return sum(state.done for state in self.states)

    @property
    def seconds_left(self) -> float | None:
        """Seconds of one worker's work until nothing waits or runs; None where nothing tells how long a point takes.

        A point takes as long as the points that the jobs' last attempts have computed took on average.
        """
        open_jobs = [self.states[number] for number in (*self.left, *self.numbers("running"))]
        if not open_jobs:
            return 0.0
        computing = [state for state in self.states if state.done > state.stored]
        if not computing or any(state.points is None for state in open_jobs):
            return None
        seconds = sum(state.updated - state.started for state in computing)
        computed = sum(state.done - state.stored for state in computing)
        return seconds / computed * sum((state.points or 0) - state.done for state in open_jobs)

    def end(self, now: float) -> str:
        """When everything should be done, shared by the jobs that run ``now``; ``unknown`` rather than a guess."""
        left, running = self.seconds_left, self.counts["running"]
        if left is None:
            return "unknown"
        if left == 0:
            return "done" if not self.numbers("failed") else "ended"
        if not running:
            return f"{duration(left)} of work left, none runs"
        end = datetime.fromtimestamp(now + left / running)
        today = end.date() == datetime.fromtimestamp(now).date()
        return f"about {end.strftime('%H:%M' if today else '%b %d %H:%M')}, in {duration(left / running)}"


def progress(folder: SweepFolder, jobs: Jobs | None = None) -> SweepProgress:
    """Read where every job stands; the ``jobs``, which stay the same, are read where they are not given.

    Raises:
        UserError: there is no such sweep, or its definition cannot be read.
    """
    jobs = jobs or folder.jobs()
    if jobs is None:
        names = ", ".join(each.name for each in sweeps_in(folder.root)) or "none"
        raise UserError(f"there is no sweep {folder.name} in {folder.root}; there are {names}")
    return SweepProgress(folder.name, jobs, tuple(read_state(folder, number) for number in range(len(jobs))))


def overview(sweeps: Sequence[SweepProgress], now: float) -> Table:
    """One line per sweep."""
    table = _table("sweep", "jobs", "done", "running", "failed", "lost", "left", "points", "ends")
    for each in sweeps:
        counts = each.counts
        numbers = (len(each.jobs), counts["done"], counts["running"], counts["failed"], counts["lost"],
                   counts["waiting"] + counts["stopped"])  # fmt: skip
        table.add_row(each.name, *map(str, numbers), _of(each.points_done, each.points), each.end(now))
    return _filled(table)


def detail(sweep: SweepProgress, now: float) -> RenderableType:
    """Everything about one sweep: counts, when it should end, which process runs what, what failed and why."""
    parts: list[RenderableType] = list(_counts(sweep, now))
    listed = [number for state in _LISTED for number in sweep.numbers(state)]
    if listed:
        table = _table("job", "state", "attempt", "on", "for", "points", "now", "asks for")
        shared = set.intersection(*map(set, sweep.jobs)) if len(sweep.jobs) > 1 else set()
        for number in listed:
            asks = " ".join(line for line in sweep.jobs[number] if line not in shared)
            table.add_row(str(number), *_cells(sweep.states[number], now), escape(asks))
        parts.append(_filled(table))
    return Group(*parts)


def _counts(sweep: SweepProgress, now: float) -> list[str]:
    """How many jobs are in which state, how many points are done, and when everything should be."""
    asked = f"{len(sweep.jobs)} asked, {sweep.counts['done']} done"
    return [
        f"[bold]sweep {escape(sweep.name)}[/]",
        f"  jobs      {', '.join(filter(None, [asked, sweep.counted(STATES[1:])]))}",
        f"  points    {_of(sweep.points_done, sweep.points)} done",
        f"  ends      {sweep.end(now)}",
    ]


def _cells(job: JobState, now: float) -> tuple[str, ...]:
    """What a running job does, and for how long; why another one does not run."""
    runs = job.state == "running"
    epoch = f", epoch {job.epoch} of {job.epochs}" if job.epochs else ""
    return (
        job.state,
        str(job.attempt),
        escape(f"{job.host} ({job.pid})"),
        duration((now if runs else job.updated) - job.started),
        _of(job.done, job.points),
        escape(f"{job.stage}{epoch}" if runs else job.reason),
    )


def _of(done: int, points: int | None) -> str:
    return f"{done} of {'?' if points is None else points}"


def shown_whole(what: RenderableType, console: Console) -> None:
    """Print with the columns that its numbers need: in a narrower terminal lines wrap, and no number is cut."""
    needed = console.measure(what, options=console.options.update_width(_UNLIMITED)).minimum
    console.width = max(console.width, needed)
    console.print(what)


def _table(*columns: str) -> Table:
    """Texts are folded where a line is too short for all; names and numbers are not."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, no_wrap=name not in ("on", "now", "asks for"), overflow="fold")
    return table


def _filled(table: Table) -> Table:
    """The table once it has its rows: columns that are not folded are as wide as what is in them."""
    for column in table.columns:
        if column.no_wrap:
            texts = [str(column.header), *(str(cell) for cell in column.cells)]
            column.min_width = max(len(text) for text in texts)
    return table


def view(sweep: SweepProgress, now: float, listed: Sequence[State] = _LISTED) -> RenderableType:
    """The same for a display that is kept up to date: text, which wraps in a narrow terminal, where tables are cut."""
    lines, told = _counts(sweep, now), labels(sweep.jobs)
    for number in (number for state in listed for number in sweep.numbers(state)):
        state, attempt, _, seconds, points, doing = _cells(sweep.states[number], now)
        again = f"attempt {attempt}, " if attempt != "1" else ""
        lines.append(f"  {state:<9} job {number}, {escape(told[number])}: {points} points, {seconds}, {again}{doing}")
    return Text.from_markup("\n".join(lines))


def watch(folder: SweepFolder, console: Console) -> None:
    """Keep ``view`` up to date until nothing runs any more."""
    ran, jobs = time.monotonic(), folder.jobs()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            found = progress(folder, jobs)
            live.update(view(found, time.time()), refresh=True)
            if found.numbers("running"):
                ran = time.monotonic()
            elif not found.numbers("waiting") or time.monotonic() - ran >= IDLE:
                return
            time.sleep(EVERY)
