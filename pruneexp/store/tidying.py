"""Garbage collection: what nobody has used for long, shown first, and removed only on request."""

from __future__ import annotations

import shutil
from pathlib import Path

from pruneexp.cache.files import Paths
from pruneexp.cache.inventory import entries, remove, unused
from pruneexp.store.listing import size_text, table

#: Folders in which earlier versions kept notes of who uses what.
FORMER = ("holds", "referrers")


def tidy(root: Path, age: float, *, delete: bool) -> int:
    """Show what was not used for ``age`` seconds, and remove it where ``delete`` says so."""
    paths = Paths(root)
    found = entries(paths)
    going = unused(found, age)
    if delete:
        going = remove(paths, going, age)
        for name in FORMER:
            shutil.rmtree(root / name, ignore_errors=True)
    gone = {entry.path for entry in going}
    print(f"store {root}\nkept:")
    table(entry for entry in found if entry.path not in gone)
    print("removed:" if delete else "may go:")
    table(going)
    if going and not delete:
        size = size_text(sum(entry.size for entry in going))
        print(f"nothing was removed; the same command with --delete frees {size}")
    return 0
