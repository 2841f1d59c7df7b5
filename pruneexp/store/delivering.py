"""Records that are owed, written into their tracking store now instead of with the next command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pruneexp.cache.store import Store
from pruneexp.errors import UserError, redact
from pruneexp.places import OWED
from pruneexp.tracking import Place, Recording, counted, places, resolved
from pruneexp.tracking.stores import sqlite_path


def deliver(roots: Sequence[Path], uris: Sequence[str]) -> int:
    """Write what result stores owe to the tracking stores named, or to all; 1 where anything is owed still.

    A tracking store that is owed nothing is looked at too: it may have been lost since it was paid.
    """
    given = {redact(resolved(uri)): uri for uri in uris}
    found = [(root, place) for root in roots for place in places(root) if not given or place.uri in given]
    status = max([_deliver(root, place, given.get(place.uri, place.uri)) for root, place in found], default=0)
    if not found:
        print(f"nothing is owed by {', '.join(map(str, roots))}")
    return status


def _deliver(root: Path, place: Place, uri: str) -> int:
    try:
        if "***" in uri:
            raise UserError(f"{place.uri} asks for a password: repeat it in full, --tracking-uri URI.")
        path = sqlite_path(uri)
        if path is not None and not path.parent.is_dir():
            raise UserError(f"There is no folder {path.parent}: was it moved? The next command there records anew.")
        done = Recording(uri, place.experiment, Store(root), OWED, say=_say).write_owed()
    except UserError as error:
        _say(str(error))
        return 1
    if done.stuck is not None:
        _say(done.stuck)
    left = place.records()
    rest = f", {counted(left)} still waiting" if left else ""
    print(f"{place.uri}, experiment {place.experiment}: {counted(done.records)} delivered{rest}")
    return int(left > 0)


def _say(sentence: str) -> None:
    print(f"pruneexp.store: {sentence}", file=sys.stderr)
