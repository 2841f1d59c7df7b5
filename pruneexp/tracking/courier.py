"""Records that always arrive: written at once where the store takes them, kept in the spool and delivered later if not.

A record arrives exactly once, for it is written under its key: delivered twice, by whomever, it is found there. A
store in trouble is asked again with later records, at growing intervals, so that it costs seconds and not minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from filelock import Timeout

from pruneexp import schema
from pruneexp.errors import UserError, redact
from pruneexp.interrupts import finished_first
from pruneexp.tracking import letters
from pruneexp.tracking.artefacts import Parent
from pruneexp.tracking.delivery import deliver
from pruneexp.tracking.letters import Letter
from pruneexp.tracking.spool import Spool
from pruneexp.tracking.stores import Unreachable, answers, resolved
from pruneexp.tracking.tracker import Tracker

#: Seconds until a store in trouble is asked again: at first, and at most.
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0
#: How long another process that delivers the same spool is waited for when a run ends; 100 points take it some 6 s.
_OTHERS_SECONDS = 30.0


class Courier:
    """What a job writes records with, as with a ``Tracker``; nothing is opened before it is needed.

    ``patient`` starts work although the store does not answer. ``say`` is told what a person should know. Run ids are
    the store's, or, where it is in trouble, names that only this courier knows.
    """

    def __init__(
        self, uri: str, experiment: str, spool: Path, *, patient: bool = False, say: Callable[[str], None]
    ) -> None:
        self.uri, self._experiment, self._root = uri, experiment, spool
        self._patient, self._say = patient, say
        self._tracker: Tracker | None = None
        self._spool: Spool | None = None
        self._parents: dict[str, Parent] = {}
        self._runs: dict[str, str] = {}
        self._held = False
        self._pause, self._next = _FIRST_PAUSE, 0.0
        self._said: set[str] = set()

    def open(self) -> Spool:
        """Open the store and deliver what waits for it; once.

        Raises:
            UserError: the store cannot be used, and the work is not to start without it.
        """
        if self._spool is None:
            uri = resolved(self.uri)
            spool = Spool(self._root, uri, self._experiment)
            try:
                self._tracker = Tracker(uri, self._experiment)
            except Unreachable as error:
                if not self._patient:
                    raise Unreachable(f"{error} With runtime.spool=true records wait for it instead.") from error
                self._hold(spool, str(error))
            self.uri, self._spool = uri, spool
            if self._tracker is not None and spool.files():
                self._deliver(spool)
        return self._spool

    def begin(self, parent: Parent) -> str:
        """As ``Tracker.begin``."""
        spool = self.open()
        run_id = f"{parent.kind} {parent.key}"
        if self._tracker is not None and not self._held:
            try:
                with finished_first():
                    run_id = self._runs[parent.key] = self._tracker.begin(parent)
            except Unreachable as error:
                self._hold(spool, str(error))
        self._parents[run_id] = parent
        return run_id

    def log_point(
        self,
        run_id: str,
        point: schema.TradeoffPoint,
        tags: Mapping[str, str] | None = None,
        numbers: Mapping[str, float] | None = None,
    ) -> None:
        self._send(letters.of_point(self._parents[run_id], point, tags or {}, numbers or {}))

    def log_failure(self, run_id: str, identity: Mapping[str, Any], reason: str) -> None:
        self._send(letters.of_failure(self._parents[run_id], identity, reason))

    def log_scan(self, scan: schema.Scan, config_yaml: str, environment: Mapping[str, Any]) -> None:
        self._send(letters.of_scan(scan, config_yaml, environment))

    def summarise(self, run_id: str, numbers: Mapping[str, float]) -> None:
        self._send(letters.of_summary(self._parents[run_id], numbers))

    def close_curve(self, run_id: str, status: Literal["FINISHED", "FAILED", "KILLED"]) -> None:
        """Say how the curve, or the study, ended; what waits is tried once more, whenever the last attempt was."""
        self._next = 0.0
        self._send(letters.of_ending(self._parents[run_id], status))

    def tracker(self) -> Tracker | None:
        """The store for whatever can be left out or done later; ``None`` while it is in trouble."""
        self.open()
        return None if self._held else self._tracker

    def stored_as(self, run_id: str) -> str:
        """The store's id of a run that was begun here, once it has arrived."""
        return self._runs.get(self._parents[run_id].key, run_id)

    def _send(self, letter: Letter) -> None:
        spool = self.open()
        with finished_first():
            if self._tracker is None or self._held or not self._posted(letter, self._tracker, spool):
                spool.add(letter)
                if time.monotonic() >= self._next:
                    self._deliver(spool)

    def _posted(self, letter: Letter, tracker: Tracker, spool: Spool) -> bool:
        run_id = "" if letter.parent is None else self._runs.get(letter.parent.key)
        if run_id is None:
            return False
        try:
            letters.post(letter, tracker, run_id)
        except UserError as error:
            self._hold(spool, str(error))
            self._next = 0.0  # at once a second time: a connection that was dropped is good again
            return False
        return True

    def _deliver(self, spool: Spool) -> None:
        """Deliver everything that waits; where that does not succeed, it goes on waiting, and the pause grows."""
        if self._held and not answers(self.uri):
            self._wait_longer()
            return
        patience = _OTHERS_SECONDS if self._held and self._next == 0.0 else 0.0
        try:
            self._tracker = self._tracker or Tracker(self.uri, self._experiment)
            with spool.lock().acquire(timeout=patience):
                done = deliver(spool, self._tracker, self._once)
        except Timeout:
            self._wait_longer()  # another process is delivering
            return
        except UserError as error:
            self._hold(spool, str(error))
            return
        self._runs |= done.runs
        if done.records:
            self._say(f"{counted(done.records)} that waited for {redact(self.uri)} arrived.")
        if done.stuck:
            self._once(done.stuck)
            self._hold(spool, done.stuck)
        else:
            self._held, self._pause = False, _FIRST_PAUSE

    def _hold(self, spool: Spool, reason: str) -> None:
        if not self._held:
            self._say(
                f"{reason.rstrip('.')}. The work goes on; its records wait in {spool.folder} until they can arrive."
            )
        self._held = True
        self._wait_longer()

    def _wait_longer(self) -> None:
        self._next = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._say(sentence)


def counted(records: int) -> str:
    """``1 record``, ``3 records``."""
    return f"{records} record{'' if records == 1 else 's'}"
