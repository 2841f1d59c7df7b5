"""What was logged, as plain values: raw runs, typed points, and what could not be read.

Knows neither the tracking store nor pandas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from pruneexp.schema import TradeoffPoint


class RawRun(NamedTuple):
    """One point run as the store has it. ``started`` is in milliseconds since 1970."""

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


class Logbook(NamedTuple):
    """All points of the selected experiments, and one sentence for each run that is no finished, readable point."""

    points: tuple[LoggedPoint, ...]
    unreadable: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()


class Store(Protocol):
    """A tracking store, open for reading."""

    def experiments(self) -> Sequence[str]: ...

    def point_runs(self, experiments: Sequence[str]) -> Sequence[RawRun]:
        """Every active run of these experiments that is tagged as a point, whatever its status."""
        ...
