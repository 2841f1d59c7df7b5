"""The manifest of a bundle: what lies in a folder, with sizes and checksums, and a checksum of its own.

Knows no tensors, so that a store can be listed and verified without loading torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pruneexp.cache.identity import short
from pruneexp.cache.paths import MANIFEST
from pruneexp.errors import UserError

#: Version of the layout of a bundle. The manifest's own form (JSON that ends in its ``checksum``) outlives versions.
FORMAT = 1


class DamageError(Exception):
    """A bundle is not what was written; the text says how one can tell."""


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


def verify(folder: Path, key: str) -> dict[str, Any] | None:
    """The manifest, after every file was read and compared with it; otherwise as ``manifest``.

    Raises:
        DamageError: also where a checksum differs, or a file is there that was never written.
    """
    found = manifest(folder, key)
    if found is not None:
        for name in found["files"]:
            check(folder / name, found)
        for path in folder.iterdir():
            if path.name != MANIFEST and path.name not in found["files"]:
                raise DamageError(f"{path.name} does not belong to it")
    return found


def check(path: Path, found: Mapping[str, Any]) -> None:
    """Compare one file with its manifest.

    Raises:
        DamageError: it is missing, or its checksum differs.
    """
    try:
        if checksum(path) != found["files"][path.name]["sha256"]:
            raise DamageError(f"the checksum of {path.name} differs")
    except FileNotFoundError:
        raise DamageError(f"{path.name} is missing") from None


def checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(path: Path) -> dict[str, Any]:
    """What a manifest says of a file."""
    return {"bytes": path.stat().st_size, "sha256": checksum(path)}


def signed(content: str) -> str:
    """A manifest's text with its own checksum at the end."""
    # Over the text and not over the values: a plan verifies hundreds of manifests, and this takes a microsecond each.
    return f'{content[:-1]},"checksum":"{hashlib.sha256(content.encode()).hexdigest()}"}}'


def _verified(text: str) -> dict[str, Any]:
    content = text[: text.rfind(",")] + "}"
    if text != signed(content):
        raise DamageError(f"{MANIFEST} is changed or incomplete")
    found: dict[str, Any] = json.loads(content)
    return found


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
