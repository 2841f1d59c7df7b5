"""Garbage collection: what no record refers to, shown first, and removed only on request.

Nothing is removed unless every tracking store that ever recorded results of this store has been asked.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from pruneexp.cache import holds, referrers
from pruneexp.cache.garbage import remove, unneeded
from pruneexp.cache.inventory import entries
from pruneexp.cache.manifests import DamageError
from pruneexp.cache.paths import Paths
from pruneexp.errors import UserError
from pruneexp.store.listing import size_text, table
from pruneexp.tracking import redact, resolved
from pruneexp.tracking.references import recorded


def tidy(root: Path, uris: Sequence[str], *, grace: float, delete: bool) -> int:
    """Show what may go, and remove it where ``delete`` says so.

    Raises:
        UserError: a tracking store that refers to results cannot be asked, or nobody knows of one.
    """
    paths = Paths(root)
    held = holds.held(paths.holds())  # first: a job that ends meanwhile may have recorded what was read already
    references = _references(paths, uris)
    found = entries(paths)
    garbage = unneeded(paths, found, {*references, *held}, now=time.time(), grace=grace)
    going = {entry.path for entry in garbage}
    kept = [entry for entry in found if entry.path not in going]
    print(f"store {root}: records refer to {len(references)} results")
    print("kept:")
    table(kept)
    print("removed:" if delete else f"may go (last changed more than {grace / 3600:g} hours ago):")
    if delete:
        garbage = remove(paths, garbage)
    table(garbage)
    if garbage and not delete:
        size = size_text(sum(entry.size for entry in garbage))
        print(f"nothing was removed; the same command with --delete frees {size}")
    return 0


def forget(root: Path, uri: str) -> None:
    """Ask a tracking store no more.

    Raises:
        UserError: it is not among those noted, or a note cannot be read.
    """
    folder = Paths(root).referrers()
    shown = redact(resolved(uri))
    known = {note.uri for note in _noted(Paths(root))}
    if not referrers.forget(folder, shown):
        noted = ", ".join(sorted(known)) or "none"
        raise UserError(f"--forget {shown}: not among those noted in {folder}, which are {noted}")


def _noted(paths: Paths) -> list[referrers.Referrer]:
    try:
        return referrers.noted(paths.referrers())
    except DamageError as damage:
        raise UserError(
            f"{damage}, so nobody knows which store of records it named, and nothing is removed: delete that file, and "
            f"name every such store with --tracking-uri."
        ) from damage


def _references(paths: Paths, uris: Sequence[str]) -> set[str]:
    notes = _noted(paths)
    given = {redact(resolved(uri)): uri for uri in uris}
    known = {note.uri: note.uri for note in notes} | given
    if not known:
        raise UserError("No store of records is known for these results: name each with --tracking-uri URI.")
    keys: set[str] = set()
    for shown, uri in known.items():
        if "***@" in uri or "=***" in uri:
            raise UserError(f"Records at {shown} refer to results: repeat it with its password, --tracking-uri URI.")
        try:
            keys |= recorded(uri)
        except UserError as error:
            raise UserError(
                f"{error} Nothing is removed, for it may refer to anything; --forget {shown} if it is gone for good."
            ) from error
    return keys
