"""Files that several processes share: replaced in one step, or locked without lock files that pile up.

Knows no file's content.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step, so that no reader sees half of it; its folder is made where it is missing.

    Not synchronised: what a power cut takes is written again by the command that wrote it. The draft is a hidden file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.draft")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def released(lock: BaseFileLock) -> Iterator[None]:
    """Release an acquired lock at the end, its file removed."""
    try:
        yield
    finally:
        # Removed while held, so that lock files do not pile up: a process that has opened this one already finds, once
        # it has it, that the file has no name any more, and starts over (FileLock looks at the link count).
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


@contextmanager
def free(path: Path, seconds: float = 0.0) -> Iterator[bool]:
    """Whether no process holds the lock, or none any more after some ``seconds``; if so, this one holds it within."""
    lock = FileLock(path, timeout=seconds)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    with released(lock):
        yield True


def missing(folder: Path) -> str | None:
    """Why a new file in a folder cannot be locked against others, or None where it can.

    Some file systems refuse locks, others say yes to everybody; either way two jobs would write over each other.

    Raises:
        OSError: no file can be written there.
    """
    with tempfile.TemporaryFile(dir=folder) as one, open(f"/proc/self/fd/{one.fileno()}", "rb+") as other:
        try:
            fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        except OSError as error:
            return error.strerror or str(error)
    return "two could hold the same lock"
