"""What a job records: noted beside the result store, and written into MLflow at once where MLflow takes it.

A tracking store in trouble is asked again with later records, at growing intervals, so that it costs seconds and not
minutes; what it does not take stays noted, and the next command that looks writes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pruneexp import schema
from pruneexp.cache.store import Store
from pruneexp.errors import UserError, redact
from pruneexp.places import SPOOL
from pruneexp.tracking.artefacts import Parent, ParentKind, noted_parent
from pruneexp.tracking.notes import Note, Place, counted, left_by_earlier_version, mark
from pruneexp.tracking.projection import Lost, Projection
from pruneexp.tracking.stores import Unreachable, answers, resolved, sqlite_path
from pruneexp.tracking.tracker import Tracker

Status = Literal["FINISHED", "FAILED", "KILLED"]

#: Seconds until a store in trouble is asked again: at first, and at most.
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0


class Recording:
    """Records of one result store in one experiment of one tracking store; nothing is opened before it is needed.

    ``patient`` starts work although the tracking store does not answer. ``say`` is told what a person should know. In
    ``marks`` a word is left where something stays owed. A curve or study is told by the name of its note.
    """

    def __init__(
        self, uri: str, experiment: str, store: Store, marks: Path, *, patient: bool = False, say: Callable[[str], None]
    ) -> None:
        self.uri, self._experiment, self._store, self._marks = uri, experiment, store, marks
        self._patient, self._say = patient, say
        self._place: Place | None = None
        self._projection: Projection | None = None
        self._tracker: Tracker | None = None
        self._held = self._restored = False
        self._pause, self._next = _FIRST_PAUSE, 0.0

    def open(self) -> Place:
        """Open the tracking store and write what it is owed; once.

        Raises:
            UserError: it cannot be used, and the work is not to start without it.
        """
        if self._place is None:
            self.uri = resolved(self.uri)
            place = self._there()
            earlier = left_by_earlier_version(self._marks.with_name(SPOOL.name))
            if earlier:
                self._say(earlier)
            try:
                self._connect(place)
            except Unreachable as error:
                if not self._patient:
                    raise Unreachable(f"{error} With runtime.spool=true records wait for it instead.") from error
                self._hold(place, str(error))
            self._place = place
            if self._tracker is not None and place.records():
                self._catch_up(place)
        return self._place

    def recorded(self, point_key: str) -> bool:
        """Whether the tracking store has this point, as far as is noted; nothing is opened."""
        return self._is_there() and self._there().paid("point", point_key)

    def finished(self, curve_key: str) -> bool:
        """Whether the tracking store has the curve, and as a finished one, as far as is noted; nothing is opened."""
        place = self._there()
        note = place.find("curve", curve_key) if place.paid("curve", curve_key) and self._is_there() else None
        return note is not None and note.body.get("status") == "FINISHED"

    def _is_there(self) -> bool:
        """Whether the database is, where it is a file: with one that was deleted, what was paid is lost."""
        path = sqlite_path(resolved(self.uri))
        return path is None or path.exists()

    def begin(self, parent: Parent) -> str:
        """Note that a curve or study, whose artefact is in the store, is worked at; the name of its note.

        It keeps what it was asked for under first.
        """
        place = self.open()
        before = place.find(parent.kind, parent.key)
        body = {**noted_parent(parent), "numbers": {}} if before is None else dict(before.body)
        note = Note(parent.kind, parent.key, {**body, "status": None})
        self._send(note)
        return note.name

    def point(self, under: str, key: str, tags: Mapping[str, str]) -> None:
        """Record a point that is in the store."""
        self._send(Note("point", key, {"under": under, "tags": dict(tags)}))

    def failure(self, under: str, identity: Mapping[str, Any], reason: str, tags: Mapping[str, str]) -> None:
        """Record that a point, as much of which is known as its flat ``identity`` says, failed, in one sentence."""
        body = {"under": under, "identity": dict(identity), "reason": reason, "tags": dict(tags)}
        self._send(Note("failure", str(identity["point_key"]), body))

    def scan(self, identity: schema.ScanIdentity, config_yaml: str, environment: Mapping[str, Any]) -> None:
        """Record a sensitivity scan that is in the store, under what it was asked for first."""
        if self.open().find("scan", identity.scan_key) is None:
            body = {"config_yaml": config_yaml, "environment": dict(environment)}
            self._send(Note("scan", identity.scan_key, {"identity": schema.flatten(identity), **body}))

    def summarise(self, under: str, numbers: Mapping[str, float]) -> None:
        """Put numbers on the run of a study: what it has come to so far."""
        self._change(under, numbers=dict(numbers))

    def close(self, under: str, status: Status) -> None:
        """Say how a curve or study ended; what is owed is tried once more, however long ago it was tried last."""
        self._next = 0.0
        self._change(under, status=status)

    def tracker(self) -> Tracker | None:
        """The tracking store for what can be left out or done later; None while it is in trouble."""
        self.open()
        return None if self._held else self._tracker

    def run_of(self, under: str) -> str | None:
        """The id of the run of a curve or study; None where it has none, or none that can be told now."""
        place = self.open()
        if self._held:
            return None
        try:
            self._projection = self._projection or self._connect(place)
            return self._projection.run_of(under)
        except (UserError, Lost):
            return None

    def _there(self) -> Place:
        return Place(self._store.root, resolved(self.uri), self._experiment)

    def _change(self, under: str, **changes: object) -> None:
        kind, key = _of(under)
        note = self.open().find(kind, key)
        if note is not None:  # else somebody emptied the folder meanwhile: the same command notes all of it again
            self._send(Note(kind, key, {**note.body, **changes}))

    def _connect(self, place: Place) -> Projection:
        if self._tracker is None:
            self._tracker = Tracker(self.uri, self._experiment)
            self._restored = place.recognise(self._tracker.made, self._tracker.exists)
        return Projection(place, self._store, self._tracker)

    def _send(self, note: Note) -> None:
        place = self.open()
        owed = place.owe(note)
        if owed is None:
            return
        if not self._held:
            self._write(place, owed)
        elif time.monotonic() >= self._next:
            self._catch_up(place)
        else:
            mark(self._marks, place)

    def _write(self, place: Place, note: Note) -> None:
        self._projection = self._projection or self._connect(place)
        try:
            self._projection.write(note)
        except (
            UserError,
            Lost,
            KeyError,
            ValueError,
            TypeError,
        ) as error:  # a note of another version
            self._hold(place, str(error))
            self._next = 0.0  # at once a second time: a connection that was dropped is good again
            self._catch_up(place)

    def _catch_up(self, place: Place) -> None:
        """Write everything that is owed; where that does not succeed, it stays owed, and the pause grows."""
        if self._held and not answers(self.uri):
            self._wait_longer(place)
            return
        try:
            self._projection = self._connect(place)
            with place.projecting():
                done = self._projection.write_owed(self._say)
        except UserError as error:
            self._hold(place, str(error))
            return
        if done.records:
            self._say(f"{counted(done.records)} that waited for {redact(self.uri)} arrived.")
        if done.stuck:
            self._hold(place, done.stuck)
        else:
            self._held, self._pause = False, _FIRST_PAUSE
            if self._restored and self._tracker is not None:  # what is derived from the points was lost with them
                self._restored = False
                self._tracker.describe_all()

    def _hold(self, place: Place, reason: str) -> None:
        if not self._held:
            self._say(
                f"{reason.rstrip('.')}. The work goes on; its records wait in {place.folder} until they can arrive."
            )
        self._held = True
        self._wait_longer(place)

    def _wait_longer(self, place: Place) -> None:
        mark(self._marks, place)
        self._next = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


def _of(under: str) -> tuple[ParentKind, str]:
    kind, _, key = under.partition("-")
    return ("curve", key) if kind == "curve" else ("study", key)
