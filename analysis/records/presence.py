"""What a tracking server still has of the runs that are known, asked without having it send them all again.

A server has no list of ids: it sends every run that it finds whole, 3 ms or more each. So it is asked for what is *not*
as it was known, and told which ids to leave out. Knows how MLflow's searches are written, and neither its client nor
what is in a run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from analysis.records.runs import Known

if TYPE_CHECKING:
    from mlflow.entities import Run

IDS = 700  # in one condition: 23 kB, parsed within 0.1 s
DIGITS = "0123456789abcdef"
ATTEMPTS = 3  # runs that are logged while one asks make counts differ


class RunSearch(Protocol):
    """Every run that meets a condition; with ``at`` at most one, that at this place of their order."""

    def __call__(self, condition: str, deleted: bool = False, at: int | None = None) -> list[Run]: ...


class Found(NamedTuple):
    """Ids of known runs that are as they were, and all others."""

    same: Collection[str] = ()
    fresh: Collection[Run] = ()


def look(search: RunSearch, condition: str, known: Known) -> Found:
    """Tell known runs that are as they were from all others.

    The counts must agree in the end, since a run can be purged without a trace; where they do not, everything is read.
    """
    same = dict(known)
    for _ in range(ATTEMPTS if known else 0):
        fresh = {run.info.run_id: run for run in _others(search, condition, same)}
        for run in _moved(search, condition, same):
            fresh[run.info.run_id] = run
            del same[run.info.run_id]
        if _count_is(search, condition, len(same) + len(fresh)):
            return Found(same.keys(), fresh.values())
        for run in list(_deleted(search, condition, same)):
            del same[run.info.run_id]
        if _count_is(search, condition, len(same) + len(fresh)):
            return Found(same.keys(), fresh.values())
    return Found(fresh=search(condition))


def _others(search: RunSearch, condition: str, known: Collection[str]) -> Iterator[Run]:
    """Runs under other ids than these."""
    for prefix, ids in _parts(known):
        part = f"{condition} and attributes.run_id LIKE '{prefix}%'"
        yield from search(f"{part} and attributes.run_id NOT IN ({_listed(ids)})" if ids else part)


def _moved(search: RunSearch, condition: str, known: Known) -> list[Run]:
    """Known runs that were opened again, or ended again later."""
    last = max((stamp.ended for stamp in known.values()), default=0)
    found = search(f"{condition} and attributes.status != 'FINISHED'")
    found += search(f"{condition} and attributes.end_time > {last}")
    return list({run.info.run_id: run for run in found if run.info.run_id in known}.values())


def _deleted(search: RunSearch, condition: str, known: Collection[str]) -> Iterator[Run]:
    for _, ids in _parts(known):
        if ids:
            yield from search(f"{condition} and attributes.run_id IN ({_listed(ids)})", deleted=True)


def _count_is(search: RunSearch, condition: str, count: int) -> bool:
    """Whether so many runs meet the condition: the last is there, and no further one."""
    return (count == 0 or bool(search(condition, at=count - 1))) and not search(condition, at=count)


def _parts(known: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Ids by their first hexadecimal digits, as many as make the parts small; every part, the empty ones too."""
    prefixes = [""]
    while len(known) > IDS * len(prefixes):
        prefixes = [prefix + digit for prefix in prefixes for digit in DIGITS]
    parts: dict[str, list[str]] = {prefix: [] for prefix in prefixes}
    width = len(prefixes[0])
    for run_id in sorted(known):
        parts.setdefault(run_id[:width], []).append(run_id)  # others than MLflow's own are found out by the count
    yield from parts.items()


def _listed(ids: Collection[str]) -> str:
    return ", ".join(f"'{run_id}'" for run_id in ids)
