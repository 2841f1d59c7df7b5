"""What lies in a store, when it was last used, and the removal of what nobody has used for long. Loads no tensors."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pruneexp import shared_files
from pruneexp.cache import bundle
from pruneexp.cache.bundle import MANIFEST, DamageError
from pruneexp.cache.files import Paths

#: Kinds that are never collected: the records are written from them. They are small, and could not be made again
#: without all the stages before them.
KEPT = ("point", "curve", "study", "scan")

#: Seconds after which a process notes again what it uses.
NOTED_EVERY = 3600.0


class Usage:
    """The keys that this process planned with or read; each is noted at once, and all of them again every hour.

    A job may read at its end what it planned with at its beginning, weeks ago.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths, self._keys, self._noted = paths, set[str](), time.monotonic()

    def add(self, key: str) -> None:
        """Note that a result, or the checkpoint of one that is yet to come, is used."""
        if key not in self._keys:
            self._keys.add(key)
            self._note([key])
        self.renew()

    def renew(self) -> None:
        """Note all keys again, if the hour is over."""
        if time.monotonic() - self._noted >= NOTED_EVERY:
            self._noted = time.monotonic()
            self._note(self._keys)

    def _note(self, keys: Iterable[str]) -> None:
        for key in keys:
            for path in (self._paths.artefact(key) / MANIFEST, self._paths.checkpoints(key)):
                with suppress(OSError):  # it is not there, or another user's
                    os.utime(path)


@dataclass(frozen=True)
class Entry:
    """One folder of a store: a result, the checkpoints of one that is unfinished, or a damaged one.

    ``kind`` is the stage's, ``checkpoint`` or ``damaged``; ``size`` is in bytes, ``used`` the time of its last use in
    seconds since 1970.
    """

    key: str
    kind: str
    path: Path
    size: int
    used: float


def entries(paths: Paths) -> list[Entry]:
    """Everything in the store but what is being written at this moment."""
    results = [_entry(folder, _kind(folder)) for folder in paths.artefacts()]
    unfinished = [_entry(folder, "checkpoint") for folder in sorted(paths.root.glob("work/*"))]
    aside = [_entry(folder, "damaged") for folder in sorted(paths.root.glob("damaged/*"))]
    return [*results, *unfinished, *aside]


def damages(paths: Paths) -> Iterator[tuple[Path, str | None]]:
    """Read every file of every result and checkpoint; for each folder None, or how one can tell that it is damaged."""
    saves = [(folder, folder.parent.name) for folder in sorted(paths.root.glob("work/*/*"))]
    for folder, key in [*((folder, folder.name) for folder in paths.artefacts()), *saves]:
        reason = None
        try:
            bundle.verify(folder, key)
        except DamageError as damage:
            reason = str(damage)
        if folder.exists():  # else a running job has replaced it meanwhile
            yield folder, reason


def unused(found: Iterable[Entry], age: float) -> list[Entry]:
    """Entries that may go: results that can be computed again, and rests, that were not used for ``age`` seconds.

    A running job notes every hour what it uses, with some delay: what was noted within two more hours is kept. A time
    in the future, as after a clock that was set back, counts as young.
    """
    before = time.time() - age - 2 * NOTED_EVERY
    return [entry for entry in found if entry.used < before and entry.kind not in KEPT]


def remove(paths: Paths, going: Iterable[Entry], age: float) -> list[Entry]:
    """Remove entries, but for those that a process computes or has begun to use meanwhile; what was removed."""
    removed = []
    for entry in going:
        draft = paths.draft(entry.key)
        with shared_files.free(paths.lock(entry.key)) as mine, suppress(FileNotFoundError):
            if not mine:
                continue
            shutil.rmtree(draft, ignore_errors=True)
            os.rename(entry.path, draft)  # so that a reader finds a whole result, or none
            if unused([_entry(draft, entry.kind)], age):
                shutil.rmtree(draft, ignore_errors=True)
                removed.append(entry)
            else:  # a job has noted its use meanwhile, and counts on it
                os.rename(draft, entry.path)
    return removed


def _kind(folder: Path) -> str:
    with suppress(DamageError):
        found = bundle.manifest(folder, folder.name)
        if found is not None:
            return str(found["kind"])
    return "damaged"


def _entry(folder: Path, kind: str) -> Entry:
    size, used = 0, 0.0
    for place, _, names in os.walk(folder):  # which passes over a checkpoint that is replaced meanwhile
        for path in (Path(place), *(Path(place, name) for name in names)):
            with suppress(FileNotFoundError):
                status = path.stat()
                size += status.st_size if stat.S_ISREG(status.st_mode) else 0
                used = max(used, status.st_mtime)
    return Entry(folder.name, kind, folder, size, used)
