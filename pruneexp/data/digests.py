"""Digests of many files, or other facts about each; a file is read once, and again only after its entry changes.

Knows nothing of images.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pruneexp.data import fetch
from pruneexp.terminal import duration

_READERS = 16  # threads, most of which wait for the disk
_SILENT_SECONDS, _SAY_SECONDS = 3.0, 30.0  # before the first message, and between two of them

#: A file that changed less than this before it was read may change again without a new time in its entry.
SETTLED_NS = 2_000_000_000


#: Bytes of a SHA-256.
DIGEST = 32


class FileReader(Protocol):
    """Reads one file to ``width`` bytes that say something of it; threads call it, ``at_once`` files in a row.

    Raises:
        UserError: the file cannot be read.
    """

    @property
    def width(self) -> int: ...

    @property
    def at_once(self) -> int: ...

    def __call__(self, path: Path) -> bytes: ...


@dataclass(frozen=True)
class Sha256:
    """A ``FileReader``: the digest of the content."""

    width: int = DIGEST
    at_once: int = 256

    def __call__(self, path: Path) -> bytes:
        with fetch.reading(path, "replace or delete it"), path.open("rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").digest()


@dataclass(frozen=True)
class _Read:
    """Names (N,) of files, their entries on the disk, int64 (N, 4), and what they hold, uint8 (N, width)."""

    files: NDArray[Any]
    entries: NDArray[np.int64]
    digests: NDArray[np.uint8]

    def take(self, chosen: NDArray[Any]) -> _Read:
        return _Read(self.files[chosen], self.entries[chosen], self.digests[chosen])


def file_digests(root: Path, files: NDArray[Any], memory: Path, reader: FileReader | None = None) -> NDArray[np.uint8]:
    """What ``reader`` says of each file, uint8 (N, width); reports its progress on standard error if it takes long.

    Args:
        root: folder that the names are relative to.
        files: names as bytes (N,), each once.
        memory: file with what earlier calls read; without permission to write it, later calls read all files.
        reader: what is read of a file, by default its SHA-256.

    Raises:
        UserError: a file cannot be read.
    """
    reader = reader or Sha256()
    started = time.time_ns()
    entries = np.concatenate([np.empty((0, 4), np.int64), *_in_threads(partial(_entries, root), files, reader.at_once)])
    read = _Read(files, entries, np.zeros((len(files), reader.width), np.uint8))
    keep = _recall(_stored(memory, reader.width), read)
    unread = np.flatnonzero(~keep)
    if len(unread) == 0:
        return read.digests
    settled = entries[:, 1:3].max(axis=1) < started - SETTLED_NS
    report, done = _ProgressReport(root, entries[unread, 0]), 0
    try:
        for digests in _in_threads(partial(_rows, root, reader), files[unread], reader.at_once):
            rows = unread[done : done + len(digests)]
            read.digests[rows], keep[rows] = digests, settled[rows]
            done += len(digests)
            if report.due(done):
                _store(memory, read.take(keep))
    finally:  # after Ctrl-C, the next command continues from here
        stored = _store(memory, read.take(keep))
    report.end(stored, memory)
    return read.digests


def _in_threads(
    work: Callable[[NDArray[Any]], NDArray[Any]], files: NDArray[Any], at_once: int
) -> Iterator[NDArray[Any]]:
    pool = ThreadPoolExecutor(_READERS)
    try:
        yield from pool.map(work, (files[start : start + at_once] for start in range(0, len(files), at_once)))
    finally:
        pool.shutdown(cancel_futures=True)


def _entries(root: Path, files: NDArray[Any]) -> NDArray[np.int64]:
    """Size, time of the content, time of the entry itself, inode number: any write to a file changes one of them."""
    found = np.empty((len(files), 4), np.int64)
    folder = os.fsencode(root) + b"/"
    for row, name in zip(found, files.tolist(), strict=True):
        try:
            entry = os.stat(folder + name)  # without a Path: this runs for each of a million files at every start
        except OSError as error:
            with fetch.reading(_path(root, name), "replace or delete it"):
                raise error
        row[:] = entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns, entry.st_ino % 2**63
    return found


def _rows(root: Path, reader: FileReader, files: NDArray[Any]) -> NDArray[np.uint8]:
    found = np.empty((len(files), reader.width), np.uint8)
    for row, name in zip(found, files.tolist(), strict=True):
        row[:] = np.frombuffer(reader(_path(root, name)), np.uint8)
    return found


def _path(root: Path, name: bytes) -> Path:
    return root / os.fsdecode(name)


def _recall(before: _Read | None, read: _Read) -> NDArray[np.bool_]:
    """Fill in the digests of files whose entries have not changed; return a boolean mask (N,) of these files."""
    if before is None or len(before.files) == 0:
        return np.zeros(len(read.files), bool)
    order = np.argsort(before.files, kind="stable")  # nearly sorted names make a stable sort quick
    match = order[np.searchsorted(before.files, read.files, sorter=order).clip(max=len(order) - 1)]
    same: NDArray[np.bool_] = (before.files[match] == read.files) & (before.entries[match] == read.entries).all(axis=1)
    read.digests[same] = before.digests[match[same]]
    return same


def _stored(memory: Path, width: int) -> _Read | None:
    """What earlier calls read; None where the file is missing, damaged or of another format."""
    try:
        with np.load(memory) as found:
            before = _Read(found["files"], found["entries"], found["digests"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    count = len(before.files)
    right = before.entries.shape == (count, 4) and before.digests.shape == (count, width)
    return before if right and before.files.dtype.kind == "S" else None


def _store(memory: Path, read: _Read) -> bool:
    """Replace the memory as a whole, as other jobs may read and write it; return whether that succeeded."""
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(suffix=".npz", prefix="draft-", dir=memory.parent)
    except OSError:
        return False
    try:
        with os.fdopen(descriptor, "wb") as file:
            np.savez(file, files=read.files, entries=read.entries, digests=read.digests)
        os.replace(draft, memory)
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            os.unlink(draft)
    return True


class _ProgressReport:
    """Tells the user which files are being read, and how long that takes."""

    def __init__(self, root: Path, sizes: NDArray[np.int64]) -> None:
        self._root, self._bytes = root, sizes.cumsum()
        self._started = self._said = time.monotonic()

    def due(self, done: int) -> bool:
        """Whether it is time for a message; prints the progress if so."""
        now = time.monotonic()
        if now - self._said < (_SILENT_SECONDS if self._said == self._started else _SAY_SECONDS):
            return False
        self._said = now
        share = max(int(self._bytes[done - 1]), 1) / max(int(self._bytes[-1]), 1)
        left = duration((now - self._started) * (1 / share - 1))
        _say(f"{done:,} of {len(self._bytes):,} files in {self._root} read, to detect later changes; about {left} left")
        return True

    def end(self, stored: bool, memory: Path) -> None:
        if self._said == self._started:
            return
        then = "the next command reads only changed files"
        if not stored:
            then = f"{memory} cannot be written, so the next command reads all files again"
        _say(f"{len(self._bytes):,} files read in {duration(time.monotonic() - self._started)}; {then}")


def _say(sentence: str) -> None:
    print(f"pruneexp: {sentence}", file=sys.stderr, flush=True)
