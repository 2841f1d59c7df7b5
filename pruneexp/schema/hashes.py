"""Which values of a flat identity are hashes: tags of a run, so that its params are what a person has chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What the name of a hash begins with as a tag.
_PREFIX = "pruneexp."


def is_hash(name: str) -> bool:
    """Whether the value of a flat identity with this name says nothing to a person."""
    return name.endswith(("_key", "_settings")) or name == "data_fingerprint"


def hash_tags(identity: Mapping[str, Any]) -> dict[str, str]:
    """The hashes of a flat identity as tags; empty ones are left out."""
    return {f"{_PREFIX}{name}": str(value) for name, value in identity.items() if is_hash(name) and value}


def without_hashes(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The choices of a flat identity."""
    return {name: value for name, value in identity.items() if not is_hash(name)}


def with_hashes(params: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    """The flat identity of a run; in records of earlier versions all of it is params."""
    found = {tag.removeprefix(_PREFIX): value for tag, value in tags.items() if tag.startswith(_PREFIX)}
    return {**{name: value for name, value in found.items() if is_hash(name)}, **params}
