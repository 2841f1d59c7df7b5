"""The store of results: content-addressed, shared by processes, and never half-written.

Knows keys, not stages: what a result means, and whether a number may be reported, is decided above. A damaged result
counts as none; the process that computes it again removes it and says so.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from pruneexp import shared_files
from pruneexp.cache import bundle, files
from pruneexp.cache.bundle import MANIFEST, Artefact, DamageError
from pruneexp.cache.checkpoint import Checkpoint
from pruneexp.cache.files import Paths
from pruneexp.cache.identity import checked, short, stage_key
from pruneexp.errors import UserError
from pruneexp.signals import StopRequest

__all__ = ["Artefact", "Checkpoint", "Store"]

Found = TypeVar("Found")

_log = logging.getLogger(__name__)

#: Seconds of waiting that nobody needs to be told of: another process may be reading, or tidying up.
_UNSAID = 0.2


class Store:
    """Results by key in one folder that several processes may use at once.

    ``checkpoint_every`` is in seconds. ``on_event`` receives the sentences for people: that a result is waited for, or
    was damaged. After ``stop`` is requested nothing more is begun.
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
            for folder in self._paths.folders():
                folder.mkdir(parents=True, exist_ok=True)
            unlocked = shared_files.missing(self.root)
            if unlocked is not None:
                raise UserError(
                    f"The result store {self.root} lies on a file system without file locks ({unlocked}), where two "
                    f"jobs would write over each other: choose a folder on another one with runtime.store=FOLDER."
                )
            self._sweep()

    def has(self, key: str) -> bool:
        """Whether ``load`` would probably succeed: the manifest is whole, and the sizes are right.

        What is asked for counts as used, and so does the checkpoint of what is not there.
        """
        return self._read(key, bundle.manifest) is not None

    def load(self, key: str) -> Artefact | None:
        """The result, verified, tensors on the CPU; None where there is none or where it is damaged."""
        return self._read(key, bundle.read)

    def record(self, key: str) -> dict[str, Any] | None:
        """The result's record without its tensors; otherwise as ``load``."""
        return self._read(key, bundle.read_record)

    def discard(self, key: str) -> None:
        """Remove the checkpoint of a result that was given up; not where another process computes it."""
        with files.explained(self.root), shared_files.free(self._paths.lock(checked(key))) as mine:
            if mine:
                shutil.rmtree(self._paths.checkpoints(key), ignore_errors=True)

    def remove(self, key: str) -> None:
        """Remove a result that is to be made anew; not where another process computes it."""
        with files.explained(self.root), shared_files.free(self._paths.lock(checked(key))) as mine:
            if mine:
                shutil.rmtree(self._paths.artefact(key), ignore_errors=True)

    def produce(self, key: str, kind: str, make: Callable[[Checkpoint], Artefact]) -> tuple[Artefact, bool]:
        """The result of ``key``, and whether it was there already; computed by ``make`` where it was not.

        Of several processes that ask at once, one computes and the others wait. ``make`` may produce the results it
        builds upon; where it raises, its checkpoint stays for the next attempt. A computed result is returned as it
        would be read back. ``kind`` says whether a result may be collected.

        Raises:
            Stopped: there is none, and a stop is requested.
            ValueError: ``make`` returned what cannot be stored.
            UserError: the disk refuses; the checkpoint, and everything committed, is kept.
        """
        found = self.load(key)
        if found is not None:
            return found, True
        self._stop.stop_if_requested()
        with self._locked(key, kind):
            found = self._load_or_remove(key)  # another process may have been faster
            if found is not None:
                return found, True
            checkpoint = Checkpoint(self._paths, key, every=self._every, on_event=self._say, stop=self._stop)
            return self._commit(key, kind, make(checkpoint)), False

    def produce_together(
        self,
        kind: str,
        group: Collection[str],
        wanted: Iterable[str],
        make: Callable[[Sequence[str], Checkpoint], Iterable[tuple[str, Artefact]]],
    ) -> None:
        """Have those of ``wanted``, keys of a ``group``, computed at once.

        ``make`` gets the keys that are neither stored nor computed by another process, which are left to it, and gives
        each result with its key; each is stored as soon as it is given. The checkpoint belongs to the whole group.

        Raises:
            Stopped: a stop is requested.
            UserError: the disk refuses; the checkpoint, and everything committed, is kept.
        """
        self._stop.stop_if_requested()
        whole = stage_key("group", 1, {}, sorted(group))
        with ExitStack() as stack:
            if not self._taken(whole, stack):
                return
            mine = [key for key in wanted if self._taken(key, stack) and self._load_or_remove(key) is None]
            if mine:
                checkpoint = Checkpoint(self._paths, whole, every=self._every, on_event=self._say, stop=self._stop)
                for key, made in make(mine, checkpoint):
                    self._commit(key, kind, made)
            if mine or all(self.has(key) for key in group):  # else others may yet go on from it
                shutil.rmtree(self._paths.checkpoints(whole), ignore_errors=True)

    def _taken(self, key: str, stack: ExitStack) -> bool:
        """Whether no other process holds the lock of a key; this one holds it then, until the stack is left."""
        lock = FileLock(self._paths.lock(checked(key)), timeout=0)
        with files.explained(self.root):
            try:
                lock.acquire()
            except Timeout:
                return False
        stack.enter_context(shared_files.released(lock))
        return True

    def stop_if_requested(self) -> None:
        """For work between stages: raise ``Stopped`` if a stop is requested."""
        self._stop.stop_if_requested()

    def _commit(self, key: str, kind: str, made: Artefact) -> Artefact:
        with files.written(self._paths, key, self._paths.artefact(key)) as draft:
            kept = bundle.write(draft, made, key=key, kind=kind)
        shutil.rmtree(self._paths.checkpoints(key), ignore_errors=True)
        return kept

    def _read(self, key: str, read: Callable[[Path, str], Found]) -> Found | None:
        folder = self._paths.artefact(checked(key))
        self._touch(key)
        with files.explained(self.root), suppress(DamageError):
            return read(folder, key)
        return None

    def _touch(self, key: str) -> None:
        """Let the result, or the checkpoint of one that is yet to come, count as used now."""
        for path in (self._paths.artefact(key) / MANIFEST, self._paths.checkpoints(key)):
            with suppress(OSError):  # it is not there, or another user's
                os.utime(path)

    def _load_or_remove(self, key: str) -> Artefact | None:
        folder = self._paths.artefact(key)
        with files.explained(self.root):
            if not folder.exists():
                return None
            try:
                return bundle.read(folder, key)
            except DamageError as damage:
                self._say(f"The stored result {short(key)} is damaged ({damage}): it is removed and computed again.")
                shutil.rmtree(folder)
                return None

    @contextmanager
    def _locked(self, key: str, kind: str) -> Iterator[None]:
        lock, said = FileLock(self._paths.lock(key)), False
        with files.explained(self.root):
            while not lock.is_locked:
                try:
                    lock.acquire(timeout=_UNSAID)
                except Timeout:
                    if not said:
                        self._say(f"Another process is computing {kind} {short(key)}: waiting for it.")
                    said = True
                    self.stop_if_requested()
        with shared_files.released(lock):
            yield

    def _sweep(self) -> None:
        """Remove what killed processes left: drafts, locks, and checkpoints of results that are there."""
        paths = self._paths
        for key in {path.name.removesuffix(".lock") for folder in paths.folders() for path in folder.iterdir()}:
            with shared_files.free(paths.lock(key)) as mine:
                if mine:  # else the process that works at this key is alive
                    shutil.rmtree(paths.draft(key), ignore_errors=True)
                    if paths.artefact(key).is_dir():
                        shutil.rmtree(paths.checkpoints(key), ignore_errors=True)
