"""From the result store into MLflow: everything that a place is owed, each record under its key.

Interrupted at any moment, nothing is lost and nothing is there twice: a record that is written already is found, and a
note is paid only after its record is whole. Knows no file format and no retry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pruneexp import schema
from pruneexp.cache.store import Store
from pruneexp.errors import UserError
from pruneexp.tracking import contents
from pruneexp.tracking.artefacts import Parent, ParentKind, StoredPoint, read_parent, read_point
from pruneexp.tracking.bulk import StoredRun
from pruneexp.tracking.contents import DENSE
from pruneexp.tracking.notes import RECORDS, Note, Place, store_id
from pruneexp.tracking.runs import Value
from pruneexp.tracking.stores import answers
from pruneexp.tracking.tracker import Tracker

#: What reading a note or an artefact of another version raises.
UNREADABLE = (KeyError, ValueError, TypeError)


class Lost(UserError):
    """The artefact that a note is about is not in the store any more."""


@dataclass(frozen=True)
class Outcome:
    """So many ``records`` have been written; ``stuck`` says why others have not."""

    records: int
    stuck: str | None


class Projection:
    """Pays the notes of one place; the ids of the runs above the points are kept by the names of their notes."""

    def __init__(self, place: Place, store: Store, tracker: Tracker) -> None:
        self.tracker = tracker
        self._place, self._store = place, store
        self._runs: dict[str, str] = {}

    def write_owed(self, say: Callable[[str], None]) -> Outcome:
        """Write everything that is owed. Ends early where the tracking store does not answer any more."""
        records = endings = 0
        stuck: str | None = None
        self._runs.clear()  # one may have been deleted since
        for note in self._place.owed(say):
            try:
                self.write(note)
            except Lost as lost:
                say(f"{lost}: its command records it again.")
                self._place.drop(note)
                continue
            except UserError as error:
                stuck = str(error)
                if not answers(self.tracker.uri):
                    break
                continue
            except UNREADABLE as error:
                stuck = f"The note {note.name} cannot be read by this version ({type(error).__name__}: {error})."
                continue
            records += note.kind in RECORDS
            endings += note.kind not in RECORDS
        return Outcome(records or endings, stuck)

    def write(self, note: Note) -> None:
        """Write what a note that is owed is about, ``alone``, and pay it.

        Raises:
            UserError: the tracking store refuses, or the artefact is lost.
            KeyError: a value is missing, as in a note of another version.
            ValueError: a value cannot be read.
        """
        match note.kind:
            case "point":
                self._write_point(note)
            case "failure":
                body, run = note.body, self._run_of(note.body["under"])
                failure = contents.failure_run(body["identity"], body["reason"], body["tags"])
                self.tracker.record(failure, run, body["noted"])
            case "scan":
                self._write_scan(note)
            case "curve" | "study":
                self._write_parent(note)
        self._place.pay(note)

    def _write_point(self, note: Note) -> None:
        stored = read_point(self._artefact(note.key, "point"))
        under = note.body["under"]
        run = self._run_of(under)
        point = contents.point_run(stored.point, note.body["tags"], stored.numbers, stored.courses)
        self.tracker.record(point, run, stored.recorded)
        if self._parent(under)[1] is not None:
            self._place.owe_again(under)  # its table of points misses this one

    def _write_scan(self, note: Note) -> None:
        record = self._artefact(note.key, "scan")
        scan = schema.read_scan(schema.unflatten(schema.ScanIdentity, note.body["identity"]), record)
        new = contents.scan_run(scan, note.body["config_yaml"], note.body["environment"])
        self.tracker.record(new, began=note.body["noted"])

    def show(self, under: str, course: Sequence[Value]) -> None:
        """Put epochs of a training on the run of a curve or study; raises as ``write`` does."""
        if course:
            self.tracker.update(self._run_of(under), None, at=self._parent(under)[0].recorded, course=course)

    def run_of(self, under: str) -> str | None:
        """The run of a curve or study; None for one that the user has deleted with all its points.

        Raises:
            UserError: the tracking store refuses, or nothing is known of it.
        """
        if under not in self._runs and self.tracker.given_up(self._parent(under)[0]):
            return None
        return self._run_of(under)

    def _write_parent(self, note: Note) -> None:
        """How a curve or a study stands, and its points where it has ended.

        One that the user has deleted with all its points stays deleted.
        """
        run, ended = self.run_of(note.name), note.body["status"]
        if run is not None:
            points = [] if ended is None else self._points_of(note.name)
            dense = next((stored.courses[DENSE] for _, stored in points if DENSE in stored.courses), {})
            course = contents.course_values({DENSE: dense})
            self.show(note.name, course)
            numbers, files = note.body["numbers"], self._points_file(points)
            self.tracker.update(run, ended or "RUNNING", numbers, files, note.body["noted"])

    def _points_of(self, under: str) -> list[tuple[StoredRun, StoredPoint]]:
        """The points of a curve or study that are recorded of this store, and noted here."""
        found = []
        for run in self.tracker.points_of(self._parent(under)[0]):
            key = run.tags[schema.POINT_KEY]
            record = self._store.record(key) if self._place.find("point", key) else None
            stored = None if record is None else read_point(record)
            if stored is not None and stored.recorded == run.started:  # else the run is made of another store's point
                found.append((run, stored))
        return found

    def _points_file(self, points: Sequence[tuple[StoredRun, StoredPoint]]) -> dict[str, bytes]:
        """The Parquet of a curve or study."""
        from pruneexp.schema.columns import LoggedPoint  # pyarrow takes 0.1 s

        if not points:
            return {}
        experiment = self._place.experiment
        logged = [(LoggedPoint(run.run_id, experiment, run.started, stored.point), run.ended) for run, stored in points]
        name = f"{schema.POINTS_FOLDER}/{store_id(self._store.root)}.parquet"
        return {name: contents.parquet(logged, self.tracker.experiment_id)}

    def _run_of(self, under: str) -> str:
        """The run of a curve or study, made where it is not there."""
        if under not in self._runs:
            self._runs[under] = self.tracker.begin(self._parent(under)[0])
        return self._runs[under]

    def _parent(self, under: str) -> tuple[Parent, str | None]:
        """A curve or study, and how it ended, if it has."""
        name, _, key = under.partition("-")
        kind = cast(ParentKind, name)
        note = self._place.find(kind, key)
        if note is None:
            raise Lost(f"What the {kind} {key[:8]} is made of is not noted any more")
        return read_parent(kind, key, self._artefact(key, kind), note.body), note.body["status"]

    def _artefact(self, key: str, kind: str) -> dict[str, Any]:
        record = self._store.record(key)
        if record is None:
            raise Lost(f"The {kind} {key[:8]} that is to be recorded is not in {self._store.root} any more")
        return record
