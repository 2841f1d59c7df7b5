"""What of a store nobody needs any more, and its removal. Knows keys; who refers to them is told.

Kept is what is referred to with everything it was built upon, so that the same command finds all of its stages and one
more budget starts from them; what a living process holds or computes; and whatever is young, because a job may have
computed a stage long before it records the point.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Sequence
from uuid import uuid4

from pruneexp.cache import holds, locks
from pruneexp.cache.inventory import Entry, needed
from pruneexp.cache.paths import Paths


def unneeded(
    paths: Paths, found: Sequence[Entry], references: Collection[str], *, now: float, grace: float
) -> list[Entry]:
    """Entries that may go: not needed, and last changed more than ``grace`` seconds before ``now``.

    A time in the future, as after a clock that was set back, counts as young. Set aside as damaged nothing is needed.
    """
    kept = needed(found, {*references, *holds.held(paths.holds())})
    return [
        entry for entry in found if (entry.kind == "damaged" or entry.key not in kept) and now - entry.newest > grace
    ]


def remove(paths: Paths, entries: Iterable[Entry]) -> list[Entry]:
    """Remove them, but for those that a process has begun to hold or to compute meanwhile; what was removed."""
    removed = []
    for entry in entries:
        with locks.free(paths.lock(entry.key)) as mine:
            if not mine or entry.key in holds.held(paths.holds()):
                continue
            # Renamed first: whoever reads at this moment finds a whole result or none.
            gone = paths.drafts() / f"{entry.key}-{uuid4().hex}"
            try:
                os.rename(entry.path, gone)
            except FileNotFoundError:
                continue
            shutil.rmtree(gone, ignore_errors=True)
            removed.append(entry)
    return removed
