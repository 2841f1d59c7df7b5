"""What a sweep has come to: where its jobs stand, when they should be done, and how a terminal shows it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pruneexp.errors import UserError
from pruneexp.jobs.folder import Jobs, SweepFolder, sweeps_in
from pruneexp.jobs.lines import labels
from pruneexp.jobs.state import JobState, State, read_state
from pruneexp.terminal import duration, print_table

#: Seconds between two looks at the folder.
EVERY = 1.0

#: Seconds for which nothing may run although jobs wait: between two jobs of a process, or in a short queue.
IDLE = 30.0

#: Of the table of all sweeps.
_OVERVIEW = ("sweep", "jobs", "done", "running", "failed", "lost", "left", "points", "ends")

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


def overview(sweeps: Sequence[SweepProgress], now: float, console: Console) -> None:
    """Print one line per sweep."""
    rows = []
    for each in sweeps:
        counts = each.counts
        numbers = (len(each.jobs), counts["done"], counts["running"], counts["failed"], counts["lost"],
                   counts["waiting"] + counts["stopped"])  # fmt: skip
        rows.append((each.name, *map(str, numbers), _of(each.points_done, each.points), each.end(now)))
    print_table(console, _OVERVIEW, rows, justify="left")


def detail(sweep: SweepProgress, now: float, listed: Sequence[State] = _LISTED) -> Text:
    """Everything about one sweep: counts, when it should end, which process runs what, what failed and why."""
    asked, told = f"{len(sweep.jobs)} asked, {sweep.counts['done']} done", labels(sweep.jobs)
    lines = [
        f"  jobs      {', '.join(filter(None, [asked, sweep.counted(STATES[1:])]))}",
        f"  points    {_of(sweep.points_done, sweep.points)} done",
        f"  ends      {sweep.end(now)}",
    ]
    for state in listed:
        numbers = sweep.numbers(state)
        lines += [f"  {state:<9} job {each}, {told[each]}: {_doing(sweep.states[each], now)}" for each in numbers]
    return Text.assemble((f"sweep {sweep.name}\n", "bold"), "\n".join(lines))


def _doing(job: JobState, now: float) -> str:
    """What a running job does, and for how long; why another one does not run."""
    runs = job.state == "running"
    epoch = f", epoch {job.epoch} of {job.epochs}" if job.epochs else ""
    parts = (
        f"{_of(job.done, job.points)} points",
        duration((now if runs else job.updated) - job.started),
        f"attempt {job.attempt}" if job.attempt != 1 else "",
        f"{job.host} ({job.pid})",
        f"{job.stage}{epoch}" if runs else job.reason,
    )
    return ", ".join(filter(None, parts))


def _of(done: int, points: int | None) -> str:
    return f"{done} of {'?' if points is None else points}"


def watch(folder: SweepFolder, console: Console) -> None:
    """Keep ``detail`` up to date until nothing runs any more."""
    ran, jobs = time.monotonic(), folder.jobs()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            found = progress(folder, jobs)
            live.update(detail(found, time.time()), refresh=True)
            if found.numbers("running"):
                ran = time.monotonic()
            elif not found.numbers("waiting") or time.monotonic() - ran >= IDLE:
                return
            time.sleep(EVERY)
