"""Where everything in a store lies, and writing it so that a crash leaves no half. Knows no file's content."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pruneexp.errors import UserError


@dataclass(frozen=True)
class Paths:
    """Where things lie below ``root``; all of it on one file system, so that a rename is atomic.

    A version that changes what a result's folder holds must rename ``artefacts`` and ``work``, so that no version takes
    another's results for damaged.
    """

    root: Path

    def folders(self) -> tuple[Path, ...]:
        """What is being written or removed, held, and computed at this moment: one entry for each key."""
        return self.root / "tmp", self.root / "locks", self.root / "work"

    def artefact(self, key: str) -> Path:
        """Folder of a finished result; two leading digits keep every folder small."""
        return self.root / "artefacts" / key[:2] / key

    def artefacts(self) -> list[Path]:
        return sorted(self.root.glob("artefacts/*/*"))

    def checkpoints(self, key: str) -> Path:
        """Folder of an unfinished result's checkpoints, one numbered folder each."""
        return self.root / "work" / key

    def draft(self, key: str) -> Path:
        """What the holder of the key's lock is writing or removing; without a holder, what a killed one left."""
        return self.root / "tmp" / key

    def lock(self, key: str) -> Path:
        """Lock file of a key; exists only while a process holds it, or after that process was killed."""
        return self.root / "locks" / f"{key}.lock"


@contextmanager
def explained(root: Path) -> Iterator[None]:
    """Raise a ``UserError`` in place of any ``OSError``, which names the folder, the reason and what to do."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"The result store {root} cannot be used: {error.strerror or error}; mend it, free some space there or "
            f"choose another one with runtime.store=FOLDER, and start again: finished results and checkpoints are kept."
        ) from error


@contextmanager
def written(paths: Paths, key: str, final: Path) -> Iterator[Path]:
    """An empty folder to write into, renamed to ``final`` at the end; after an error nothing of it stays.

    Raises:
        UserError: the disk refuses.
    """
    draft = paths.draft(key)
    with explained(paths.root):
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            yield draft
            publish(draft, final)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def publish(draft: Path, final: Path) -> None:
    """Rename a complete draft to its final name once its files have reached the disk; ``final`` must not exist."""
    for path in (*draft.iterdir(), draft):
        _sync(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    os.rename(draft, final)
    _sync(final.parent)


def checksum(path: Path) -> str:
    """SHA-256 of the content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
