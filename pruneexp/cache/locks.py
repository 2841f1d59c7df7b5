"""Locks of single keys, whose files do not pile up. Knows no store's content."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout


@contextmanager
def released(lock: BaseFileLock) -> Iterator[None]:
    """Release an acquired lock at the end, its file removed."""
    try:
        yield
    finally:
        # Removed while held, so that lock files do not pile up: whoever has opened this one already finds, once it has
        # it, that the file has no name any more, and starts over (FileLock looks at the link count).
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


@contextmanager
def free(path: Path) -> Iterator[bool]:
    """Whether nobody holds the lock; if so, it is held within."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    with released(lock):
        yield True


def missing(descriptor: int) -> str | None:
    """Why files like this open one cannot be locked against others, or None where they can.

    Some file systems refuse locks, others say yes to everybody; either way two jobs would write over each other.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        again = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR)
    except OSError as error:
        return os.strerror(error.errno or errno.ENOLCK)
    try:
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError as error:
        return os.strerror(error.errno or errno.ENOLCK)
    finally:
        os.close(again)
    return "two could hold the same lock"
