"""Which tracking stores refer to results of a store: whoever tidies up must have asked every one."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from pruneexp.cache.manifests import DamageError


@dataclass(frozen=True)
class Referrer:
    """A tracking store, by its URI without credentials, and the folder where records may wait for it."""

    uri: str
    spool: str


def add(folder: Path, uri: str, spool: Path) -> None:
    """Note a tracking store, once; ``uri`` without credentials.

    Raises:
        OSError: the disk refuses.
    """
    text = json.dumps({"uri": uri, "spool": str(spool.absolute())})
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)


def noted(folder: Path) -> list[Referrer]:
    """Every tracking store noted.

    Raises:
        DamageError: a note is not what was written; names the file.
    """
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def forget(folder: Path, uri: str) -> int:
    """Remove the notes of a tracking store that is gone; how many there were."""
    found = [path for path in sorted(folder.glob("*.json")) if _read(path).uri == uri]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _read(path: Path) -> Referrer:
    text = path.read_text(encoding="utf-8", errors="replace")
    if hashlib.sha256(text.encode()).hexdigest()[:32] != path.stem:
        raise DamageError(f"{path} is not what was written")
    return Referrer(**json.loads(text))
