"""A sentence for a network's name that a library does not know. Knows no library."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from pruneexp.errors import UserError


def unknown(name: str, known: Collection[str], what: str) -> UserError:
    """An error that gives the names most like the one that was asked for."""
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    nearest = f"the nearest names are {', '.join(close)}" if close else f"there are {len(known)}, such as {min(known)}"
    return UserError(f"model.name={name} is no {what}: {nearest}")
