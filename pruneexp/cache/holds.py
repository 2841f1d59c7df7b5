"""Which results living processes work with: a file of keys per process, locked for as long as the process lives."""

from __future__ import annotations

import fcntl
import os
import re
import weakref
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

_KEY = re.compile(r"^[0-9a-f]{64}$", re.MULTILINE)


class Holding:
    """The keys that this process holds in one store; given up when the object or the process ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        self._keys: set[str] = set()

    def add(self, keys: Iterable[str]) -> None:
        """Hold these too.

        Raises:
            OSError: the disk refuses.
        """
        new = dict.fromkeys(key for key in keys if key not in self._keys)
        if not new:
            return
        if self._descriptor is None:
            self._descriptor = self._opened()
        os.write(self._descriptor, "".join(f"{key}\n" for key in new).encode())
        self._keys |= set(new)

    def _opened(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        final = self._folder / f"{os.getpid()}-{uuid4().hex}"
        draft = final.with_name(f".{final.name}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.rename(draft, final)  # locked before anybody can see it: what is seen unlocked is of a dead process
        weakref.finalize(self, _given_up, descriptor, final, os.getpid())
        return descriptor


def held(folder: Path) -> set[str]:
    """Keys that living processes hold; the files of dead ones are removed."""
    keys: set[str] = set()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith("."):
            continue
        try:
            descriptor = _opened(path)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except BlockingIOError:
            keys |= set(_KEY.findall(_text(descriptor)))
        finally:
            os.close(descriptor)
    return keys


def _opened(path: Path) -> int:
    """For writing, as NFS locks nothing else; for reading where it is another user's."""
    try:
        return os.open(path, os.O_RDWR)
    except PermissionError:
        return os.open(path, os.O_RDONLY)


def _text(descriptor: int) -> str:
    """Of a file that its owner may remove at any moment."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode("ascii")


def _given_up(descriptor: int, path: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child shares the lock, and must not end it
        path.unlink(missing_ok=True)
        os.close(descriptor)
