"""Writing and reading single files so that a crash leaves no half of one unnoticed. Knows no keys and no store."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pruneexp.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def explained(root: Path) -> Iterator[None]:
    """Turn what the disk refuses within the block into one sentence.

    Raises:
        UserError: in place of any ``OSError``; names the folder, the reason and what to do.
    """
    try:
        yield
    except OSError as error:
        cure = "free some space there" if error.errno in _FULL else "mend the folder"
        raise UserError(
            f"The result store {root} cannot be used: {error.strerror or error}; {cure} or choose another one with "
            f"runtime.store=FOLDER, and start again: finished results and checkpoints are kept."
        ) from error


@contextmanager
def drafted(folder: Path) -> Iterator[Path]:
    """An empty folder to write into and to ``publish``; what is not published is removed, after an error too."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(draft: Path, final: Path) -> None:
    """Rename a complete draft to its final name, durably; ``final`` must not exist."""
    sync(draft)
    final.parent.mkdir(parents=True, exist_ok=True)
    os.rename(draft, final)
    sync(final.parent)


def sync(path: Path) -> None:
    """Return only when the file's content, or the folder's list of names, has reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a new file durably."""
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
