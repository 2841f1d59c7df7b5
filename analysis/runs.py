"""What was logged, as plain values: raw runs, typed points and scans, and what could not be read.

Knows neither the tracking store nor pandas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

from pruneexp.schema import Scan, TradeoffPoint

Record = TypeVar("Record")

#: What a run is of, as its tag says it; runs of other kinds are never read.
RunKind = Literal["point", "scan"]


class RawRun(NamedTuple):
    """One run as the store has it. ``started`` is in milliseconds since 1970."""

    run_id: str
    experiment: str
    status: str
    started: int
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


class LoggedPoint(NamedTuple):
    """A trade-off point and the run it was read from."""

    run_id: str
    experiment: str
    started: int
    point: TradeoffPoint


class LoggedScan(NamedTuple):
    """A sensitivity scan and the run it was read from."""

    run_id: str
    experiment: str
    started: int
    scan: Scan


class Logbook(NamedTuple, Generic[Record]):
    """All records of one kind, and one sentence for each run that is no finished, readable record."""

    records: tuple[Record, ...]
    unreadable: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()


class Store(Protocol):
    """A tracking store, open for reading."""

    def experiments(self) -> Sequence[str]: ...

    def runs(self, kind: RunKind, experiments: Sequence[str]) -> Sequence[RawRun]:
        """Every active run of these experiments that is tagged as of this kind, whatever its status."""
        ...

    def artefact(self, run_id: str, name: str) -> str:
        """The text of a file of a run.

        Raises:
            OSError: there is no such run or file, or it cannot be fetched.
        """
        ...
