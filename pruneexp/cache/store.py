"""The store of results: content-addressed, shared by processes, and never half-written.

Knows keys, not stages: what a result means, and whether a number may be reported, is decided above. A folder without
a manifest does not exist; a damaged one is set aside, said, and computed again.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from filelock import BaseFileLock, FileLock, Timeout

from pruneexp.cache import bundle, files, locks, referrers
from pruneexp.cache.bundle import Artefact, DamageError
from pruneexp.cache.checkpoint import Checkpoint
from pruneexp.cache.holds import Holding
from pruneexp.cache.identity import checked, short
from pruneexp.cache.paths import Paths
from pruneexp.errors import UserError
from pruneexp.signals import StopRequest, deferring_interrupts

__all__ = ["Artefact", "Checkpoint", "Store"]

Found = TypeVar("Found")

_log = logging.getLogger(__name__)

#: Seconds of waiting that nobody needs to be told of: another process may be reading, or tidying up.
_UNSAID = 0.2

#: Seconds after which one who waits looks up whether it has been told to leave.
_ASKED_SECONDS = 1.0


class Store:
    """Results by key in one folder that several processes may use at once.

    ``checkpoint_every`` is in seconds. ``on_event`` is told, in one sentence each, what a person should know: that a
    result is waited for, that one was damaged. Once ``stop`` is requested nothing more is begun.
    """

    def __init__(
        self,
        root: Path,
        *,
        checkpoint_every: float = 60.0,
        on_event: Callable[[str], None] = _log.warning,
        stop: StopRequest | None = None,
    ) -> None:
        """Create the folder where it does not exist, and remove what killed processes were writing.

        Raises:
            ValueError: ``checkpoint_every`` is negative.
            UserError: the folder cannot be created or written, or its files cannot be locked; names it.
        """
        if not checkpoint_every >= 0:
            raise ValueError(f"checkpoint_every must be 0 seconds or more, not {checkpoint_every}")
        self.root = Path(root).expanduser().absolute()
        self._paths = Paths(self.root)
        self._every, self._say, self._stop = checkpoint_every, on_event, stop or StopRequest()
        with files.explained(self.root):
            for folder in (self._paths.drafts(), self._paths.locks()):
                folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._paths.drafts()) as probe:
                probe.write(b"writable")
                unlocked = locks.missing(probe.fileno())
            if unlocked is not None:
                raise UserError(
                    f"The result store {self.root} lies on a file system without file locks ({unlocked}), where two "
                    f"jobs would write over each other: choose a folder on another one with runtime.store=FOLDER."
                )
            self._sweep()
        self._holding = Holding(self._paths.holds())

    def has(self, key: str) -> bool:
        """Whether ``load`` would probably succeed: manifest whole, sizes right; no file is read, none is moved.

        Raises:
            UserError: the result was written by a newer version of this project.
        """
        try:
            with files.explained(self.root):
                return bundle.manifest(self._paths.artefact(checked(key)), key) is not None
        except DamageError:
            return False

    def load(self, key: str) -> Artefact | None:
        """The result, verified, tensors on the CPU; None where there is none or where it was damaged.

        Raises:
            UserError: the disk refuses, or the result was written by a newer version of this project.
        """
        return self._whole(key, bundle.read)

    def record(self, key: str) -> dict[str, Any] | None:
        """The result's record without its tensors; otherwise as ``load``."""
        return self._whole(key, bundle.read_record)

    def hold(self, keys: Iterable[str]) -> None:
        """Keep these results, stored or yet to come, from being tidied away while this process lives.

        Raises:
            UserError: the disk refuses.
        """
        with files.explained(self.root):
            self._holding.add(checked(key) for key in keys)

    def refer(self, uri: str, spool: Path) -> None:
        """Note that records at ``uri``, or waiting in ``spool`` for it, refer to results here.

        Raises:
            UserError: the disk refuses.
        """
        with files.explained(self.root):
            referrers.add(self._paths.referrers(), uri, spool)

    def discard(self, key: str) -> None:
        """Remove the checkpoint of a result that was given up; not where another process computes it."""
        with files.explained(self.root), locks.free(self._paths.lock(checked(key))) as mine:
            if mine:
                shutil.rmtree(self._paths.checkpoints(key), ignore_errors=True)

    def produce(
        self, key: str, kind: str, make: Callable[[Checkpoint], Artefact], parents: Sequence[str] | None = None
    ) -> tuple[Artefact, bool]:
        """The result of ``key``, and whether it was there already; computed by ``make`` where it was not.

        Of several processes that ask at once, one computes and the others wait. ``make`` may itself produce the results
        it builds upon. What it raises goes through, and its checkpoint stays for the next attempt. A computed result is
        returned as it would be read back: tensors copied to the CPU, the record as JSON gives it. ``kind`` names the
        stage to people; ``parents`` are the keys of what it builds upon, kept for as long as it is.

        Raises:
            Stopped: there is none, and a stop is requested.
            ValueError: ``make`` returned what cannot be stored.
            UserError: the disk refuses; the checkpoint, and everything committed, is kept.
        """
        found = self.load(key)
        if found is None:
            self._stop.stop_if_requested()
            with self._locked(key, f"{kind} {short(key)}"):
                found = self._or_aside(key, bundle.read)  # another process may have been faster
                if found is None:
                    return self._commit(key, kind, make(self._checkpoint(key)), parents), False
        # Left where a process was killed between committing and tidying up, while this one was waiting.
        shutil.rmtree(self._paths.checkpoints(key), ignore_errors=True)
        return found, True

    def stop_if_requested(self) -> None:
        """End the work between two stages, where a stop is requested.

        Raises:
            Stopped: a stop is requested.
        """
        self._stop.stop_if_requested()

    def _checkpoint(self, key: str) -> Checkpoint:
        return Checkpoint(self._paths, key, every=self._every, on_event=self._say, stop=self._stop)

    def _commit(self, key: str, kind: str, made: Artefact, parents: Sequence[str] | None) -> Artefact:
        with deferring_interrupts(), files.explained(self.root), files.drafted(self._paths.draft(key)) as draft:
            kept = bundle.write(draft, made, key=key, kind=kind, parents=parents)
            files.publish(draft, self._paths.artefact(key))
        shutil.rmtree(self._paths.checkpoints(key), ignore_errors=True)
        return kept

    def _whole(self, key: str, read: Callable[[Path, str], Found | None]) -> Found | None:
        try:
            with files.explained(self.root):
                return read(self._paths.artefact(checked(key)), key)
        except DamageError:
            # Another process may have replaced it meanwhile: judge again while nobody can.
            with self._locked(key, f"the damaged result {short(key)}"):
                return self._or_aside(key, read)

    def _or_aside(self, key: str, read: Callable[[Path, str], Found | None]) -> Found | None:
        folder, aside = self._paths.artefact(key), self._paths.damaged(key)
        with files.explained(self.root):
            try:
                return read(folder, key)
            except DamageError as damage:
                shutil.rmtree(aside, ignore_errors=True)
                aside.parent.mkdir(parents=True, exist_ok=True)
                os.rename(folder, aside)
                self._say(f"The stored result {short(key)} is damaged ({damage}); it is set aside in {aside}.")
                return None

    @contextmanager
    def _locked(self, key: str, what: str) -> Iterator[None]:
        lock = FileLock(self._paths.lock(key))
        with files.explained(self.root):
            try:
                lock.acquire(timeout=_UNSAID)
            except Timeout:
                self._say(f"Another process is computing {what}: waiting for it.")
                self._wait(lock)
        with locks.released(lock):
            yield

    def _wait(self, lock: BaseFileLock) -> None:
        while not lock.is_locked:
            self._stop.stop_if_requested()
            with suppress(Timeout):
                lock.acquire(timeout=_ASKED_SECONDS)

    def _sweep(self) -> None:
        drafts = {draft.name for draft in self._paths.drafts().iterdir()}
        for key in drafts | {path.stem for path in self._paths.locks().iterdir()}:
            with locks.free(self._paths.lock(key)) as mine:
                if mine:  # else the process that works at this key is alive
                    shutil.rmtree(self._paths.draft(key), ignore_errors=True)
        for left in self._paths.work().iterdir() if self._paths.work().is_dir() else ():
            if self._paths.artefact(left.name).is_dir():  # killed between committing and tidying up
                self.discard(left.name)
