"""What a job records: noted beside the result store, and written into MLflow at once where MLflow takes it.

What is noted is not lost with the process. A write that fails is tried once more at once; then records wait as notes
until their curve or study ends, or until the next command. So a tracking store in trouble costs seconds, and not
minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pruneexp import schema
from pruneexp.cache.store import Store
from pruneexp.errors import UserError, redact
from pruneexp.tracking.artefacts import Parent, noted_parent
from pruneexp.tracking.notes import Note, Place, counted, mark
from pruneexp.tracking.projection import UNREADABLE, Outcome, Projection
from pruneexp.tracking.runs import Value
from pruneexp.tracking.stores import Unreachable, answers, resolved, sqlite_path
from pruneexp.tracking.tracker import Tracker

Status = Literal["FINISHED", "FAILED", "KILLED"]

#: Seconds between two epochs that are shown, and before the first.
_SHOWN_EVERY = 5.0
#: Showing epochs takes at most this share of the time, however slow MLflow is.
_SHARE = 0.02


class Recording:
    """Records of one result store in one experiment of one tracking store; nothing is opened before it is needed.

    ``patient`` starts work although the tracking store does not answer. ``say`` is told what a person should know. In
    ``marks`` a word is left where something stays owed. A curve or study is told by the name of its note.

    Raises:
        UserError: the tracking URI is none.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        store: Store,
        marks: Path,
        *,
        say: Callable[[str], None],
        patient: bool = False,
    ) -> None:
        self.uri, self._store, self._marks = resolved(uri), store, marks
        self._patient, self._say = patient, say
        self._place = Place(store.root, self.uri, experiment)
        self._projection: Projection | None = None
        self._opened = self._held = self._restored = False
        self._next_shown = time.monotonic() + _SHOWN_EVERY

    def open(self) -> None:
        """Open the tracking store and write what it is owed; once.

        Raises:
            UserError: it cannot be used, and the work is not to start without it.
        """
        if self._opened:
            return
        try:
            self._connect()
        except Unreachable as error:
            if not self._patient:
                raise Unreachable(f"{error} With runtime.spool=true records wait for it instead.") from error
            self._hold(str(error))
        self._opened = True
        if not self._held and self._place.records():
            self._catch_up()

    def write_owed(self) -> Outcome:
        """Open the tracking store and write what it is owed, and what was lost with a database beside it.

        Raises:
            UserError: it cannot be used.
        """
        projection = self._connect()
        done = projection.write_owed(self._say)
        if self._restored and done.stuck is None:
            projection.tracker.describe_all()
            self._restored = False
        return done

    def recorded(self, point_key: str) -> bool:
        """Whether the tracking store has this point, as far as is noted; nothing is opened."""
        return self._is_there() and self._place.paid("point", point_key)

    def finished(self, curve_key: str) -> bool:
        """Whether the tracking store has the curve, and as a finished one, as far as is noted; nothing is opened."""
        paid = self._is_there() and self._place.paid("curve", curve_key)
        note = self._place.find("curve", curve_key) if paid else None
        return note is not None and note.body.get("status") == "FINISHED"

    def _is_there(self) -> bool:
        """Whether the database is, where it is a file: with one that was deleted, what was paid is lost."""
        path = sqlite_path(self.uri)
        return path is None or path.exists()

    def begin(self, parent: Parent) -> str:
        """Note that a curve or study, whose artefact is in the store, is worked at; the name of its note.

        It keeps what it was asked for under first.
        """
        self.open()
        before = self._place.find(parent.kind, parent.key)
        body = {**noted_parent(parent), "numbers": {}} if before is None else dict(before.body)
        note = Note(parent.kind, parent.key, {**body, "status": None})
        self._send(note)
        return note.name

    def epoch(self, under: str, kind: str, epoch: int, numbers: Mapping[str, float]) -> None:
        """Show an epoch of a training that a curve or study waits for, at most every few seconds.

        It is for a person who looks on: the whole course is written when the curve or study ends.
        """
        began = time.monotonic()
        if self._held or began < self._next_shown:
            return
        values = [Value(f"{kind}/{name}", number, epoch) for name, number in numbers.items()]
        try:
            self._connect().show(under, values)
        except (UserError, *UNREADABLE) as error:
            self._hold(str(error))
        ended = time.monotonic()
        self._next_shown = ended + max(_SHOWN_EVERY, (ended - began) / _SHARE)

    def point(self, under: str, key: str, tags: Mapping[str, str]) -> None:
        """Record a point that is in the store."""
        self._send(Note("point", key, {"under": under, "tags": dict(tags)}))

    def failure(self, under: str, identity: Mapping[str, Any], reason: str, tags: Mapping[str, str]) -> None:
        """Record that a point, as much of which is known as its flat ``identity`` says, failed, in one sentence."""
        body = {"under": under, "identity": dict(identity), "reason": reason, "tags": dict(tags)}
        self._send(Note("failure", str(identity["point_key"]), body))

    def scan(self, identity: schema.ScanIdentity, config_yaml: str, environment: Mapping[str, Any]) -> None:
        """Record a sensitivity scan that is in the store, under what it was asked for first."""
        self.open()
        if self._place.find("scan", identity.scan_key) is None:
            body = {"config_yaml": config_yaml, "environment": dict(environment)}
            self._send(Note("scan", identity.scan_key, {"identity": schema.flatten(identity), **body}))

    def summarise(self, under: str, numbers: Mapping[str, float]) -> None:
        """Put numbers on the run of a study: what it has come to so far."""
        self._change(under, numbers=dict(numbers))

    def close(self, under: str, status: Status) -> None:
        """Say how a curve or study ended; everything that waits is tried once more."""
        self._change(under, status=status)
        if self._held:
            self._catch_up()

    def tracker(self) -> Tracker | None:
        """The tracking store for what can be left out or done later; None while it is in trouble."""
        self.open()
        return None if self._held else self._connect().tracker

    def run_of(self, under: str) -> str | None:
        """The id of the run of a curve or study; None where it has none, or none that can be told now."""
        self.open()
        if self._held:
            return None
        try:
            return self._connect().run_of(under)
        except UserError:
            return None

    def _change(self, under: str, **changes: object) -> None:
        kind, _, key = under.partition("-")
        note = self._place.find("curve" if kind == "curve" else "study", key)
        if note is not None:  # else somebody emptied the folder meanwhile: the same command notes all of it again
            self._send(Note(note.kind, key, {**note.body, **changes}))

    def _send(self, note: Note) -> None:
        """Note what is to be written, and write it, unless the tracking store is in trouble."""
        self.open()
        with self._place.alone():
            owed = self._place.owe(note)
            if owed is not None:
                self._write(owed)

    def _write(self, owed: Note) -> None:
        if self._held:
            mark(self._marks, self._place)
            return
        try:
            self._connect().write(owed)
        except (UserError, *UNREADABLE) as error:
            self._hold(str(error))
            self._catch_up()  # at once: a connection that was dropped is good again

    def _connect(self) -> Projection:
        if self._projection is None:
            tracker = Tracker(self.uri, self._place.experiment, self._place.lock)
            self._restored = self._place.recognise(tracker.made)
            self._projection = Projection(self._place, self._store, tracker)
        return self._projection

    def _catch_up(self) -> None:
        """Write everything that is owed; where that does not succeed, it stays owed, and records wait."""
        if self._held and not answers(self.uri):
            return
        try:
            done = self.write_owed()
        except UserError as error:
            self._hold(str(error))
            return
        if done.records:
            self._say(f"{counted(done.records)} that waited for {redact(self.uri)} arrived.")
        if done.stuck is None:
            self._held = False
        else:
            self._hold(done.stuck)

    def _hold(self, reason: str) -> None:
        mark(self._marks, self._place)
        if not self._held:
            folder = self._place.folder
            self._say(f"{reason.rstrip('.')}. The work goes on; its records wait in {folder} until they can arrive.")
        self._held = True
