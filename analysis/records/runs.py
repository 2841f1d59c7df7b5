"""What was logged, as plain values: raw runs, typed points and scans, and what could not be read.

Knows neither the tracking store nor pandas.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

from pruneexp.schema import Scan

Records = TypeVar("Records")

#: The tag with the id of the run that a point is under.
PARENT = "mlflow.parentRunId"
#: What a run is of, as its tag says it; runs of other kinds are never read.
RunKind = Literal["point", "scan", "curve", "study"]


class RawRun(NamedTuple):
    """One run as the store has it. ``started`` is in milliseconds since 1970."""

    run_id: str
    experiment: str
    status: str
    started: int
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


class LoggedScan(NamedTuple):
    """A sensitivity scan and the run it was read from."""

    run_id: str
    experiment: str
    started: int
    scan: Scan


class Logbook(NamedTuple, Generic[Records]):
    """All records of one kind, and sentences on how they were read and on each run that is not finished or readable."""

    records: Records
    notes: tuple[str, ...]


class Stamp(NamedTuple):
    """What a store tells of a finished run without its contents: another stamp means that it is read again.

    ``experiment`` is the id of its experiment, ``ended`` in milliseconds since 1970.
    """

    experiment: str
    ended: int


#: Finished runs whose points are known already, by id.
Known = Mapping[str, Stamp]


def last_ended(known: Known) -> dict[str, int]:
    """By the id of an experiment when the last of its known runs ended."""
    last: dict[str, int] = {}
    for stamp in known.values():
        last[stamp.experiment] = max(last.get(stamp.experiment, 0), stamp.ended)
    return last


class Changes(NamedTuple):
    """The ids of the known runs that are still there as they were, and all other runs: new, changed or unfinished."""

    same: Collection[str]
    fresh: Sequence[tuple[Stamp, RawRun]]


class PointsFile(NamedTuple):
    """A Parquet file of points that the run of a curve or study carries; its content, or why it cannot be fetched."""

    name: str
    content: bytes | OSError


class TrackingStore(Protocol):
    """A tracking store, open for reading."""

    def experiments(self) -> Mapping[str, str]:
        """The id of each active experiment, by its name, sorted."""
        ...

    def runs(self, kind: RunKind, experiments: Sequence[str]) -> Sequence[RawRun]:
        """Every active run of these experiments that is tagged as of this kind, of any status."""
        ...

    def tagged(self, tag: str, kind: RunKind, experiments: Sequence[str]) -> Mapping[str, str]:
        """The values of a tag, by the ids of the runs that have it, of those that ``runs`` finds."""
        ...

    def changes(self, kind: RunKind, experiments: Sequence[str], known: Known) -> Changes:
        """The same runs, those that are as they were known without their contents; known ones are of these alone."""
        ...

    def points_files(self, experiments: Sequence[str], known: Known) -> Iterable[PointsFile]:
        """The files of points that may hold others than the known ones; those of no file are in their runs as well."""
        ...

    def points_files_over(self, run_id: str) -> Iterable[PointsFile]:
        """The files that the curve or study carries which the run of a point is under."""
        ...

    def course(self, run_id: str, name: str) -> Mapping[int, float]:
        """The values of a metric of a run, by step in their order; none where it has no such metric."""
        ...

    def artefact(self, run_id: str, name: str) -> str:
        """The text of a file of a run.

        Raises:
            OSError: there is no such run or file, or it cannot be fetched.
        """
        ...
