"""A folder that proves itself whole: tensors, a JSON record, and a manifest with their sizes and checksums.

The manifest is written last and carries a checksum of its own, so that any changed bit of any file is noticed. Knows
no store: finished results and checkpoints are both bundles. Torch is loaded only where tensors are read or written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pruneexp.cache import files
from pruneexp.cache.identity import plain, short

if TYPE_CHECKING:
    from torch import Tensor

MANIFEST = "manifest.json"
RECORD = "record.json"
TENSORS = "tensors.safetensors"


class DamageError(Exception):
    """A bundle is not what was written; the text says how one can tell."""


@dataclass(frozen=True)
class Artefact:
    """What a stage leaves behind: weights or masks by name, and a JSON-able record of numbers and settings."""

    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]


def write(folder: Path, artefact: Artefact, *, key: str, kind: str) -> Artefact:
    """Write a bundle into an empty folder and return the artefact as ``read`` will, sharing no memory.

    Raises:
        ValueError: a tensor or a value of the record cannot be written; names it.
        OSError: the disk refuses.
    """
    from pruneexp.cache import tensors

    kept = Artefact(tensors.packed(artefact.tensors), plain(artefact.record))
    (folder / RECORD).write_text(json.dumps(kept.record, indent=1), encoding="utf-8")
    tensors.write(folder / TENSORS, kept.tensors)
    written = [folder / RECORD, folder / TENSORS]
    about = {
        "format": 1,  # asked for by versions before this one
        "kind": kind,
        "key": key,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {path.name: {"bytes": path.stat().st_size, "sha256": files.checksum(path)} for path in written},
    }
    (folder / MANIFEST).write_bytes(_signed(json.dumps(about).encode()))
    return kept


@contextmanager
def _missing_is_damage() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DamageError(f"{Path(error.filename or TENSORS).name} is missing") from error


@_missing_is_damage()
def manifest(folder: Path, key: str) -> dict[str, Any]:
    """The manifest of a bundle whose files have the sizes it lists.

    The files themselves are not read: this takes some tens of microseconds.

    Raises:
        DamageError: the manifest is changed or missing, belongs to another key, or a file has another size.
    """
    found = _verified((folder / MANIFEST).read_bytes())
    if found["key"] != key:
        raise DamageError(f"it belongs to the key {short(found['key'])}")
    for name, seal in found["files"].items():
        size = (folder / name).stat().st_size
        if size != seal["bytes"]:
            raise DamageError(f"{name} has {size} of {seal['bytes']} bytes")
    return found


@_missing_is_damage()
def read_record(folder: Path, key: str) -> dict[str, Any]:
    """The record alone, its checksum verified; otherwise as ``manifest``."""
    path = _intact(folder / RECORD, manifest(folder, key))
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


@_missing_is_damage()
def read(folder: Path, key: str) -> Artefact:
    """The whole bundle, every checksum verified; otherwise as ``manifest``."""
    from pruneexp.cache import tensors

    path = _intact(folder / TENSORS, manifest(folder, key))
    return Artefact(tensors.read(path), read_record(folder, key))


def _intact(path: Path, found: Mapping[str, Any]) -> Path:
    if files.checksum(path) != found["files"][path.name]["sha256"]:
        raise DamageError(f"the checksum of {path.name} differs")
    return path


def _signed(content: bytes) -> bytes:
    """A manifest's text with its own checksum at the end."""
    # Over the text and not over the values: a plan verifies hundreds of manifests, and this takes a microsecond each.
    return content[:-1] + f',"checksum":"{hashlib.sha256(content).hexdigest()}"}}'.encode()


def _verified(text: bytes) -> dict[str, Any]:
    content = text[: text.rfind(b",")] + b"}"
    if text != _signed(content):
        raise DamageError(f"{MANIFEST} is changed or incomplete")
    found: dict[str, Any] = json.loads(content)
    return found
