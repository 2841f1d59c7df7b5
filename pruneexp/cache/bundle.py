"""A folder that proves itself whole: tensors, a JSON record, and a manifest with their sizes and checksums.

The manifest is written last and carries a checksum of its own, so that any changed bit of any file is noticed. Knows
no store: finished results and checkpoints are both bundles.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from pruneexp.cache import files
from pruneexp.cache.identity import plain, short
from pruneexp.cache.paths import MANIFEST, RECORD, TENSORS
from pruneexp.errors import UserError

#: Version of the layout of a bundle. The manifest's own form (JSON that ends in its ``checksum``) outlives versions.
FORMAT = 1


@dataclass(frozen=True)
class Artefact:
    """What a stage leaves behind: weights or masks by name, and a JSON-able record of numbers and settings."""

    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]


class DamageError(Exception):
    """A bundle is not what was written; the text says how one can tell."""


def write(folder: Path, artefact: Artefact, *, key: str, kind: str) -> Artefact:
    """Write a bundle into an empty folder and return the artefact exactly as ``read`` will return it.

    The returned artefact shares no memory with the one handed in, so that a result is the same whether it was just
    computed or read back.

    Raises:
        ValueError: a tensor or a value of the record cannot be written; names it.
        OSError: the disk refuses.
    """
    kept = Artefact(files.packed(artefact.tensors), plain(artefact.record))
    files.write_text(folder / RECORD, json.dumps(kept.record, indent=1))
    files.write_tensors(folder / TENSORS, kept.tensors)
    manifest = {
        "format": FORMAT,
        "kind": kind,
        "key": key,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {name: _seal(folder / name) for name in (RECORD, TENSORS)},
    }
    files.write_text(folder / MANIFEST, _signed(json.dumps(manifest)))
    return kept


def manifest(folder: Path, key: str) -> dict[str, Any] | None:
    """The manifest of a bundle whose files have the sizes it lists, or None where there is no bundle.

    Takes some tens of microseconds: the files themselves are not read.

    Raises:
        DamageError: the manifest is changed or missing, belongs to another key, or a file has another size.
        UserError: the bundle was written by a later version of this project.
    """
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
    except FileNotFoundError:
        if folder.exists():
            raise DamageError(f"{MANIFEST} is missing") from None
        return None
    except UnicodeDecodeError:
        raise DamageError(f"{MANIFEST} is not text") from None
    found = _verified(text)
    if found["format"] > FORMAT:
        raise UserError(
            f"The result {short(key)} in {folder} was written by a newer version (format {found['format']}, this one "
            f"reads up to {FORMAT}); update this installation or choose another folder with runtime.store=FOLDER."
        )
    if found["key"] != key:
        raise DamageError(f"it belongs to the key {short(found['key'])}")
    for name, seal in found["files"].items():
        size = _size(folder / name)
        if size != seal["bytes"]:
            raise DamageError(f"{name} is missing" if size is None else f"{name} has {size} of {seal['bytes']} bytes")
    return found


def read(folder: Path, key: str) -> Artefact | None:
    """The whole bundle, every checksum verified, or None where there is none; raises as ``manifest`` does."""
    found = manifest(folder, key)
    if found is None:
        return None
    record = _record(folder, found)
    return Artefact(_tensors(folder, found), record)


def read_record(folder: Path, key: str) -> dict[str, Any] | None:
    """The record alone, its checksum verified, or None where there is no bundle; raises as ``manifest`` does."""
    found = manifest(folder, key)
    return None if found is None else _record(folder, found)


def _record(folder: Path, found: Mapping[str, Any]) -> dict[str, Any]:
    with _intact(folder / RECORD, found) as path:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def _tensors(folder: Path, found: Mapping[str, Any]) -> dict[str, Tensor]:
    with _intact(folder / TENSORS, found) as path:
        return files.read_tensors(path)


@contextmanager
def _intact(path: Path, found: Mapping[str, Any]) -> Iterator[Path]:
    try:
        if files.checksum(path) != found["files"][path.name]["sha256"]:
            raise DamageError(f"the checksum of {path.name} differs")
        yield path
    except FileNotFoundError:
        raise DamageError(f"{path.name} is missing") from None
    except ValueError as error:
        raise DamageError(f"{path.name} cannot be read: {error}") from error


def _seal(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": files.checksum(path)}


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _signed(content: str) -> str:
    # Over the text and not over the values: a plan verifies hundreds of manifests, and this takes a microsecond each.
    return f'{content[:-1]},"checksum":"{hashlib.sha256(content.encode()).hexdigest()}"}}'


def _verified(text: str) -> dict[str, Any]:
    content = text[: text.rfind(",")] + "}"
    if text != _signed(content):
        raise DamageError(f"{MANIFEST} is changed or incomplete")
    found: dict[str, Any] = json.loads(content)
    return found
