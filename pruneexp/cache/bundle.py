"""A folder that proves itself whole: tensors, a JSON record, and a manifest with their sizes and checksums.

The manifest is written last and carries a checksum of its own, so that any changed bit of any file is noticed. Knows
no store: finished results and checkpoints are both bundles.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from pruneexp.cache import files
from pruneexp.cache.identity import plain
from pruneexp.cache.manifests import FORMAT, DamageError, check, manifest, seal, signed
from pruneexp.cache.paths import MANIFEST, RECORD, TENSORS

__all__ = ["FORMAT", "Artefact", "DamageError", "manifest", "read", "read_record", "write"]


@dataclass(frozen=True)
class Artefact:
    """What a stage leaves behind: weights or masks by name, and a JSON-able record of numbers and settings."""

    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]


def write(folder: Path, artefact: Artefact, *, key: str, kind: str, parents: Sequence[str] | None = None) -> Artefact:
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
    about = {
        "format": FORMAT,
        "kind": kind,
        "key": key,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {name: seal(folder / name) for name in (RECORD, TENSORS)},
    }
    if parents is not None:
        about["parents"] = list(parents)
    files.write_text(folder / MANIFEST, signed(json.dumps(about)))
    return kept


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
        check(path, found)
        yield path
    except FileNotFoundError:
        raise DamageError(f"{path.name} is missing") from None
    except ValueError as error:
        raise DamageError(f"{path.name} cannot be read: {error}") from error
