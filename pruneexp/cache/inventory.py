"""What lies in a store, when it was last used, and the removal of what nobody has used for long. Loads no tensors."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pruneexp import shared_files
from pruneexp.cache import bundle
from pruneexp.cache.bundle import DamageError
from pruneexp.cache.files import Paths

#: Kinds that are never collected: the records are written from them. They are small, and could not be made again
#: without all the stages before them.
KEPT = ("point", "curve", "study", "scan")


@dataclass(frozen=True)
class Entry:
    """One folder of a store: a result, or the checkpoints of one that is unfinished.

    ``kind`` is the stage's, ``checkpoint`` or ``damaged``; ``size`` is in bytes, ``used`` the time of its last use in
    seconds since 1970.
    """

    key: str
    kind: str
    path: Path
    size: int
    used: float


def entries(paths: Paths) -> list[Entry]:
    """Everything in the store but what a process writes, replaces or removes at this moment."""
    kinds = {folder: _kind(folder) for folder in paths.artefacts()}
    kinds |= dict.fromkeys(sorted(paths.root.glob("work/*")), "checkpoint")
    found = []
    for folder, kind in kinds.items():
        with suppress(FileNotFoundError):
            statuses = [path.stat() for path in (folder, *folder.rglob("*"))]
            size = sum(status.st_size for status in statuses if stat.S_ISREG(status.st_mode))
            found.append(Entry(folder.name, kind, folder, size, max(status.st_mtime for status in statuses)))
    return found


def unused(found: Iterable[Entry], age: float) -> list[Entry]:
    """Entries that may go: results that can be computed again, and checkpoints, not used for ``age`` seconds.

    A time in the future, as after a clock that was set back, counts as young.
    """
    before = time.time() - age
    return [entry for entry in found if entry.used < before and entry.kind not in KEPT]


def remove(paths: Paths, going: Iterable[Entry]) -> list[Entry]:
    """Remove entries, but for those that a process computes or has removed meanwhile; what was removed."""
    removed = []
    for entry in going:
        draft = paths.draft(entry.key)
        with shared_files.free(paths.lock(entry.key)) as mine, suppress(FileNotFoundError):
            if mine:
                shutil.rmtree(draft, ignore_errors=True)
                os.rename(entry.path, draft)  # so that a reader finds a whole result, or none
                shutil.rmtree(draft, ignore_errors=True)
                removed.append(entry)
    return removed


def _kind(folder: Path) -> str:
    try:
        return str(bundle.manifest(folder, folder.name)["kind"])
    except DamageError:
        return "damaged"
