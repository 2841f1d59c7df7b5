"""From the result store into MLflow: whatever a place is owed, each record under its key.

Interrupted at any moment, or done by two processes at once, nothing is lost and nothing is there twice: a record that
is written already is found, and a note is paid only after its record is whole. Knows no file format and no retry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from pruneexp import schema
from pruneexp.cache.store import Store
from pruneexp.errors import UserError
from pruneexp.tracking.artefacts import Parent, ParentKind, now, read_parent, read_point
from pruneexp.tracking.notes import RECORDS, Note, Place, store_id
from pruneexp.tracking.stores import answers
from pruneexp.tracking.tracker import Tracker

#: Milliseconds after which a record that is owed is late: before, the process that made it may be writing it.
_LATE = 5000


class Lost(Exception):
    """The artefact that a note is about is not in the store any more."""


@dataclass(frozen=True)
class Outcome:
    """So many ``records`` have been written, ``late`` ones among them; ``stuck`` says why others have not."""

    records: int
    late: int
    stuck: str | None


class Projection:
    """Pays the notes of one place; ``runs`` are the ids of the runs above the points, by the names of their notes."""

    def __init__(self, place: Place, store: Store, tracker: Tracker) -> None:
        self._place, self._store, self._tracker = place, store, tracker
        self.runs: dict[str, str] = {}

    def write_owed(self, say: Callable[[str], None]) -> Outcome:
        """Write everything that is owed. Ends early where the tracking store does not answer any more."""
        records = late = endings = 0
        stuck: str | None = None
        for note in self._place.owed(say):
            try:
                paid = self.write(note)
            except UserError as error:
                stuck = str(error)
                if not answers(self._tracker.uri):
                    break
                continue
            except Lost as lost:
                say(f"{lost}: its command records it again.")
                self._place.drop(note)
                continue
            except (KeyError, ValueError, TypeError) as error:
                stuck = f"The note {note.name} cannot be read by this version ({type(error).__name__}: {error})."
                continue
            if paid:
                records += note.kind in RECORDS
                endings += note.kind in ("curve", "study")
                late += note.kind in RECORDS and now() - note.body["noted"] > _LATE
        return Outcome(records or endings, late, stuck)

    def write(self, note: Note) -> bool:
        """Write what a note is about and pay it; whether it was still owed, and could be written.

        Raises:
            UserError: the tracking store refuses.
            Lost: its artefact is gone.
            KeyError: a value is missing, as in a note of another version.
            ValueError: a value cannot be read.
        """
        match note.kind:
            case "point":
                self._write_point(note)
            case "failure":
                body, run = note.body, self._run_of(note.body["under"])
                self._tracker.log_failure(run, body["identity"], body["reason"], body["tags"], body["noted"])
            case "scan":
                self._write_scan(note)
            case "table":
                if not self._write_table(note):
                    return False
            case "curve" | "study":
                self._write_parent(note)
        return self._place.pay(note)

    def _write_point(self, note: Note) -> None:
        stored = read_point(self._artefact(note.key, "point"))
        under = note.body["under"]
        run = self._run_of(under)
        self._tracker.log_point(run, stored.point, note.body["tags"], stored.numbers, stored.recorded)
        self._place.owe(Note("table", under.partition("-")[2], {"under": under, "of": now()}))

    def _write_scan(self, note: Note) -> None:
        record = self._artefact(note.key, "scan")
        scan = schema.Scan(
            identity=schema.unflatten(schema.ScanIdentity, note.body["identity"]),
            dense=schema.Score(**record["dense"]),
            images=record["images"],
            rows=tuple(schema.unflatten(schema.LayerSensitivity, row) for row in record["rows"]),
        )
        self._tracker.log_scan(scan, note.body["config_yaml"], note.body["environment"], note.body["noted"])

    def _write_parent(self, note: Note) -> None:
        """How a curve or a study stands; one that the user has deleted with all its points stays deleted."""
        if note.name not in self.runs and self._tracker.given_up(self._parent(note)):
            return
        run, status = self._run_of(note.name), note.body["status"]
        if note.body["numbers"]:
            self._tracker.summarise(run, note.body["numbers"], note.body["noted"])
        if status is not None:
            self._tracker.close_curve(run, status)

    def _write_table(self, note: Note) -> bool:
        """The Parquet of a curve or study that has ended: all its points that this store has, and has paid here."""
        under = note.body["under"]
        kind, _, key = under.partition("-")
        parent = self._place.find(cast(ParentKind, kind), key)
        if parent is None or parent.body["status"] is None:
            return False
        from pruneexp.tracking.columnar import LoggedRun, parquet

        logged = []
        for run in self._tracker.points_of(cast(ParentKind, kind), key):
            point_key = run.data.tags[schema.POINT_KEY]
            record = self._store.record(point_key) if self._place.find("point", point_key) else None
            if record is not None:
                info = run.info
                logged.append(LoggedRun(info.run_id, info.start_time, info.end_time, read_point(record).point))
        if logged:
            content = parquet(logged, self._place.experiment, self._tracker.experiment_id)
            name = f"{schema.POINTS_FOLDER}/{store_id(self._store.root)}.parquet"
            self._tracker.put(self._run_of(under), {name: content})
        return True

    def _run_of(self, under: str) -> str:
        """The run of a curve or study, made where it is not there."""
        if under not in self.runs:
            kind, _, key = under.partition("-")
            note = self._place.find(cast(ParentKind, kind), key)
            if note is None:
                raise Lost(f"What the {kind} {key[:8]} is made of is not noted any more")
            parent = self._parent(note)
            begin = self._tracker.begin if note.body["status"] is None else self._tracker.restore
            self.runs[under] = begin(parent)
        return self.runs[under]

    def _parent(self, note: Note) -> Parent:
        kind = cast(ParentKind, note.kind)
        return read_parent(kind, note.key, self._artefact(note.key, kind), note.body["tags"])

    def _artefact(self, key: str, kind: str) -> dict[str, Any]:
        record = self._store.record(key)
        if record is None:
            raise Lost(f"The {kind} {key[:8]} that is to be recorded is not in {self._store.root} any more")
        return record
