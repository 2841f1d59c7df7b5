"""Sweeps as tables and sentences for a terminal. Pure: reads no file and no clock."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from pruneexp.jobs.progress import SweepProgress
from pruneexp.jobs.state import JobState, State
from pruneexp.terminal import duration

#: Jobs listed one by one.
_ROWS = 40

#: States of those that are, in this order.
_SHOWN: tuple[State, ...] = ("failed", "lost", "stopped", "running")

#: Columns that may be folded where a line is too short for all; names and numbers are not.
_TEXTS = ("on", "now", "asks for")


def overview(sweeps: Sequence[SweepProgress], now: float) -> Table:
    """One line per sweep."""
    table = _table("sweep", "jobs", "done", "running", "failed", "lost", "left", "points", "ends")
    for each in sweeps:
        counts = each.counts
        numbers = (counts["done"], counts["running"], counts["failed"], counts["lost"])
        left = counts["waiting"] + counts["stopped"]
        table.add_row(
            each.name, *map(str, (len(each.jobs), *numbers, left)), _of(each.points_done, each.points),
            end_text(each, now),
        )  # fmt: skip
    return table


def detail(sweep: SweepProgress, now: float) -> RenderableType:
    """Everything about one sweep: counts, when it should end, which process runs what, what failed and why."""
    counts = sweep.counts
    others = [f"{counts[state]} {state}" for state in ("done", *_SHOWN, "waiting") if counts[state] or state == "done"]
    parts: list[RenderableType] = [
        f"[bold]sweep {escape(sweep.name)}[/]",
        f"  jobs      {', '.join([f'{len(sweep.jobs)} asked', *others])}",
        f"  points    {_of(sweep.points_done, sweep.points)} done",
        f"  ends      {end_text(sweep, now)}",
    ]
    shown = [number for state in _SHOWN for number in sweep.numbers(state)]
    if shown:
        table = _table("job", "state", "attempt", "on", "for", "points", "now", "asks for")
        for number in shown[:_ROWS]:
            table.add_row(str(number), *_cells(sweep.states[number], now), asks(sweep, number))
        parts.append(table)
    if len(shown) > _ROWS:
        parts.append(f"  and {len(shown) - _ROWS} more")
    return Group(*parts)


def end_text(sweep: SweepProgress, now: float) -> str:
    """When everything should be done; ``unknown`` rather than a guess."""
    left, to_end = sweep.seconds_left, sweep.seconds_to_end
    if left == 0:
        return "done" if not sweep.numbers("failed") else "ended"
    if left is None:
        return "unknown"
    if to_end is None:
        return f"{duration(left)} of work left, none runs"
    end = now + to_end
    day = "%H:%M" if time.localtime(end).tm_yday == time.localtime(now).tm_yday else "%b %d %H:%M"
    return f"about {time.strftime(day, time.localtime(end))}, in {duration(to_end)}"


def asks(sweep: SweepProgress, number: int) -> str:
    """What tells a job from the others."""
    shared = set.intersection(*(set(job) for job in sweep.jobs)) if len(sweep.jobs) > 1 else set()
    return escape(" ".join(line for line in sweep.jobs[number] if line not in shared))


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
    """``14 of 36``; without the second where nobody has counted them."""
    return f"{done} of {'?' if points is None else points}"


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, no_wrap=name not in _TEXTS, overflow="fold")
    return table
