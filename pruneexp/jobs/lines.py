"""What a sweep says of its jobs, a line each: only the choices in which they differ tell them apart."""

from __future__ import annotations

from collections.abc import Collection

from pruneexp.jobs.folder import Jobs
from pruneexp.jobs.state import JobState
from pruneexp.terminal import duration

#: Between the parts of a line.
SEPARATOR = " · "


def differing(jobs: Jobs) -> list[dict[str, str]]:
    """Of each job the choices that not all of them share, by name: the end of their key, where that is unambiguous."""
    shared = set.intersection(*map(set, jobs)) if len(jobs) > 1 else set()
    told = [dict(_split(line) for line in job if line not in shared) for job in jobs]
    keys = dict.fromkeys(key for each in told for key in each)
    ends = [_end(key) for key in keys]
    names = {key: _end(key) if ends.count(_end(key)) == 1 else key for key in keys}
    return [{names[key]: value for key, value in each.items()} for each in told]


def labels(jobs: Jobs) -> list[str]:
    """The choices of each job in a line: ``l2 · seed 0``."""
    return [label(each) for each in differing(jobs)]


def label(choices: dict[str, str]) -> str:
    """Choices in a line: of a word such as ``l2`` the reader knows what it is for, of a number or ``none`` not."""
    return SEPARATOR.join(value if _speaks(value) else f"{name} {value}".strip() for name, value in choices.items())


def ended(over: int, jobs: int, choices: str, state: JobState, log: str) -> str:
    """The line of a job that has ended; ``over`` of so many ``jobs`` are, ``log`` is where it has said more."""
    seconds = duration(state.updated - state.started)
    if state.state == "done":
        came = f"{state.done} point{'s' * (state.done != 1)}{SEPARATOR}{seconds}"
    else:
        where = f" (log: {log})" if state.state != "stopped" else ""
        came = f"{state.state} after {seconds}: {state.reason}{where}"
    return SEPARATOR.join(filter(None, [f"job {over}/{jobs}", choices, came]))


def notes(text: str, told: Collection[str]) -> list[str]:
    """The sentences for people among what a job has said, without those that begin as one already ``told``."""
    found = dict.fromkeys(line for line in text.splitlines() if line.startswith("pruneexp: "))
    return [line for line in found if not line.removeprefix("pruneexp: ").startswith(tuple(told))]


def _split(line: str) -> tuple[str, str]:
    key, _, value = line.lstrip("+~").partition("=")
    return key, value.strip("'\"")


def _end(key: str) -> str:
    return key.rpartition(".")[2].rpartition("/")[2]


def _speaks(value: str) -> bool:
    return value[:1].isalpha() and value not in ("none", "null", "true", "false")
