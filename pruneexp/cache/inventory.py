"""What lies in a store, without loading tensors: results, checkpoints, and what was set aside as damaged."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pruneexp.cache.manifests import DamageError, manifest, verify
from pruneexp.cache.paths import Paths
from pruneexp.errors import UserError


@dataclass(frozen=True)
class Entry:
    """One folder of a store.

    ``kind`` is the stage's, ``checkpoint``, or ``damaged``. ``parents`` are the keys of what a result builds upon; None
    where it was written before they were noted, or cannot be read. ``newest`` is the time of its last change.
    """

    key: str
    kind: str
    path: Path
    size: int
    newest: float
    parents: tuple[str, ...] | None = None


def entries(paths: Paths) -> list[Entry]:
    """Everything in the store but what is being written at this moment."""
    results = [_result(folder) for folder in sorted((paths.root / "artefacts").glob("*/*"))]
    unfinished = [_entry(folder, "checkpoint") for folder in sorted(paths.work().glob("*"))]
    aside = [_entry(folder, "damaged") for folder in sorted((paths.root / "damaged").glob("*"))]
    return [*results, *unfinished, *aside]


def damages(paths: Paths, found: Iterable[Entry]) -> Iterator[tuple[Path, str]]:
    """Read every file of results and checkpoints; those that are not what was written, and how one can tell."""
    for entry in found:
        if entry.kind == "damaged":
            continue
        for folder in _folders(entry):
            reason = _damage(folder, entry.key)
            if reason is not None and folder.exists():  # a running job may have replaced it while it was read
                yield folder, reason


def _folders(entry: Entry) -> list[Path]:
    """Where the manifests are; none where a checkpoint has become a result meanwhile."""
    if entry.kind != "checkpoint":
        return [entry.path]
    return sorted(entry.path.iterdir()) if entry.path.is_dir() else []


def _damage(folder: Path, key: str) -> str | None:
    try:
        return "it has no manifest" if verify(folder, key) is None else None
    except (DamageError, UserError) as reason:
        return str(reason)
    except FileNotFoundError as gone:
        return f"{Path(gone.filename).name} is missing"


def needed(found: Sequence[Entry], roots: Collection[str]) -> set[str]:
    """The roots and everything that they build upon, however indirectly.

    A result that does not say what it builds upon needs everything that does not say it either: its parents are older
    than it is, and so are among those.
    """
    parents = {entry.key: entry.parents for entry in found if entry.kind not in ("checkpoint", "damaged")}
    silent = {key for key, known in parents.items() if known is None}
    reached: set[str] = set()
    ahead = set(roots)
    while ahead:
        key = ahead.pop()
        if key in reached:
            continue
        reached.add(key)
        known = parents.get(key, ())
        ahead |= silent if known is None else set(known)
        if known is None:
            silent = set()  # all of them are ahead by now
    return reached


def _result(folder: Path) -> Entry:
    try:
        found = manifest(folder, folder.name)
    except (DamageError, UserError):
        return _entry(folder, "unreadable", None)
    parents = found.get("parents") if found is not None else None
    kind = found["kind"] if found is not None else "unreadable"
    return _entry(folder, kind, None if parents is None else tuple(parents))


def _entry(folder: Path, kind: str, parents: tuple[str, ...] | None = None) -> Entry:
    size, newest = 0, 0.0
    for place, _, files in os.walk(folder):  # which passes over a checkpoint that is replaced meanwhile
        for path in (Path(place), *(Path(place, name) for name in files)):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                size += status.st_size if stat.S_ISREG(status.st_mode) else 0
                newest = max(newest, status.st_mtime)
    return Entry(folder.name, kind, folder, size, newest, parents)
