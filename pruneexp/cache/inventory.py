"""What lies in a store, whether it is whole, and the removal of what nobody has used for long. Loads no tensors."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pruneexp.cache import bundle, locks
from pruneexp.cache.bundle import DamageError
from pruneexp.cache.paths import Paths
from pruneexp.cache.usage import NOTED_EVERY
from pruneexp.errors import UserError

#: Kinds that are never collected. The records are written from the first four, which are small and could not be made
#: again without all the stages before them; what a ``newer`` version of this project wrote is for that one to judge.
KEPT = ("point", "curve", "study", "scan", "newer")


@dataclass(frozen=True)
class Entry:
    """One folder of a store: a result, the checkpoints of one that is unfinished, or a damaged one.

    ``kind`` is the stage's, ``checkpoint``, ``damaged`` or ``newer``; ``size`` is in bytes, ``used`` the time of its
    last use in seconds since 1970.
    """

    key: str
    kind: str
    path: Path
    size: int
    used: float


def entries(paths: Paths) -> list[Entry]:
    """Everything in the store but what is being written at this moment."""
    results = [_entry(folder, _kind(folder)) for folder in sorted(paths.root.glob("artefacts/*/*"))]
    unfinished = [_entry(folder, "checkpoint") for folder in sorted(paths.work().glob("*"))]
    aside = [_entry(folder, "damaged") for folder in sorted(paths.root.glob("damaged/*"))]
    return [*results, *unfinished, *aside]


def damages(paths: Paths) -> Iterator[tuple[Path, str | None]]:
    """Read every file of every result and checkpoint; for each folder None, or how one can tell that it is damaged."""
    results = [(folder, folder.name) for folder in sorted(paths.root.glob("artefacts/*/*"))]
    saves = [(folder, folder.parent.name) for folder in sorted(paths.work().glob("*/*"))]
    for folder, key in (*results, *saves):
        try:
            reason = None if bundle.verify(folder, key) else "it is gone"
        except (DamageError, UserError) as damage:
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
        with locks.free(paths.lock(entry.key)) as mine:
            if mine and _still_unused(entry, entry.path, age) and _removed(entry, paths.draft(entry.key), age):
                removed.append(entry)
    return removed


def _still_unused(entry: Entry, place: Path, age: float) -> bool:
    return bool(unused([_entry(place, entry.kind)], age))


def _removed(entry: Entry, draft: Path, age: float) -> bool:
    """Whether an entry is gone; ``draft`` is where the holder of its key's lock may put it."""
    shutil.rmtree(draft, ignore_errors=True)
    try:
        os.rename(entry.path, draft)  # so that a reader finds a whole result, or none
    except FileNotFoundError:
        return False
    if not _still_unused(entry, draft, age):  # a job noted its use just before the renaming, and counts on it
        os.rename(draft, entry.path)
        return False
    shutil.rmtree(draft, ignore_errors=True)
    return True


def _kind(folder: Path) -> str:
    try:
        found = bundle.manifest(folder, folder.name)
    except DamageError:
        return "damaged"
    except UserError:
        return "newer"
    return found["kind"] if found else "damaged"


def _entry(folder: Path, kind: str) -> Entry:
    size, used = 0, 0.0
    for place, _, names in os.walk(folder):  # which passes over a checkpoint that is replaced meanwhile
        for path in (Path(place), *(Path(place, name) for name in names)):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                size += status.st_size if stat.S_ISREG(status.st_mode) else 0
                used = max(used, status.st_mtime)
    return Entry(folder.name, kind, folder, size, used)
