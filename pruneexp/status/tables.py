"""Summaries of sweeps as tables and sentences. Pure: reads no file and no clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from pruneexp.jobs.state import JobState
from pruneexp.jobs.summary import Summary
from pruneexp.terminal import duration

#: Jobs listed one by one.
_ROWS = 20

#: Columns that may be folded where a line is too short for all; names and numbers are not.
_TEXTS = ("on", "now", "reason", "asks for")


def overview(sweeps: Sequence[Summary], now: float) -> Table:
    """One line per sweep."""
    table = _table("sweep", "jobs", "done", "running", "failed", "lost", "left", "points", "ends")
    for each in sweeps:
        counts = each.counts
        table.add_row(
            each.name,
            *(str(n) for n in (len(each.jobs), counts["done"], counts["running"], counts["failed"], counts["lost"])),
            str(counts["waiting"] + counts["killed"]),
            points_text(each),
            end_text(each, now),
        )
    return table


def detail(sweep: Summary, now: float) -> RenderableType:
    """Everything about one sweep: counts, who runs what, what failed and why, when it should end."""
    parts: list[RenderableType] = [f"[bold]sweep {escape(sweep.name)}[/]"]
    parts += [f"  {label:<9} {escape(text)}" for label, text in _lines(sweep, now)]
    running = sweep.numbers("running")
    if running:
        table = _table("job", "on", "for", "points", "now", "attempt", "asks for")
        for number in running[:_ROWS]:
            table.add_row(*_running(number, sweep.states[number], now), asks(sweep, number))
        parts += [table, *_more(running)]
    for state in ("failed", "lost", "killed"):
        numbers = sweep.numbers(state)
        if numbers:
            table = _table("job", state, "reason", "asks for")
            for number in numbers[:_ROWS]:
                of = sweep.states[number]
                table.add_row(
                    str(number), f"{_attempts(of)}, {points_of(of)} points", escape(of.reason), asks(sweep, number)
                )
            parts += [table, *_more(numbers)]
    return Group(*parts)


def points_text(sweep: Summary) -> str:
    """``14 of 36``; without the second where nobody has counted them."""
    return f"{sweep.points_done} of {'?' if sweep.points is None else sweep.points}"


def points_of(state: JobState) -> str:
    return f"{state.done} of {'?' if state.points is None else state.points}"


def end_text(sweep: Summary, now: float) -> str:
    """When everything should be done; ``unknown`` rather than a guess."""
    left = sweep.seconds_left
    if left == 0:
        return "done" if not sweep.numbers("failed") else "ended"
    if left is None:
        return "unknown"
    if sweep.seconds_to_end is None:
        return f"{duration(left)} of work left, none runs"
    end = now + sweep.seconds_to_end
    day = "%H:%M" if time.localtime(end).tm_yday == time.localtime(now).tm_yday else "%b %d %H:%M"
    return f"about {time.strftime(day, time.localtime(end))}, in {duration(sweep.seconds_to_end)}"


def asks(sweep: Summary, number: int) -> str:
    """What tells a job from the others."""
    shared = set.intersection(*(set(job) for job in sweep.jobs)) if len(sweep.jobs) > 1 else set()
    return escape(" ".join(line for line in sweep.jobs[number] if line not in shared))


def _lines(sweep: Summary, now: float) -> Iterator[tuple[str, str]]:
    counts = sweep.counts
    others = [(counts[state], state) for state in ("running", "failed", "lost", "killed", "waiting")]
    texts = [f"{len(sweep.jobs)} asked", f"{counts['done']} done", *(f"{n} {state}" for n, state in others if n)]
    yield "jobs", ", ".join(texts)
    yield "points", f"{points_text(sweep)} done"
    yield "ends", end_text(sweep, now)


def _running(number: int, state: JobState, now: float) -> tuple[str, ...]:
    epoch = f", epoch {state.epoch} of {state.epochs}" if state.epochs else ""
    where = f"{state.host} ({state.pid})"
    return (
        str(number), escape(where), duration(now - state.started), points_of(state), escape(f"{state.stage}{epoch}"),
        str(state.attempt),
    )  # fmt: skip


def _attempts(state: JobState) -> str:
    return f"{state.attempt} attempt" + ("" if state.attempt == 1 else "s")


def _more(numbers: Sequence[int]) -> list[str]:
    return [f"  and {len(numbers) - _ROWS} more"] if len(numbers) > _ROWS else []


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, no_wrap=name not in _TEXTS, overflow="fold")
    return table
