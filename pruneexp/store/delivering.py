"""Records that are owed, written into their tracking store now instead of with the next command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pruneexp.cache.store import Store
from pruneexp.errors import UserError, redact
from pruneexp.places import SPOOL
from pruneexp.tracking import Place, Tracker, counted, places, resolved
from pruneexp.tracking.notes import left_by_earlier_version
from pruneexp.tracking.projection import Projection
from pruneexp.tracking.stores import sqlite_path


def deliver(roots: Sequence[Path], uris: Sequence[str]) -> int:
    """Write what result stores owe to the tracking stores named, or to all; 1 where anything is owed still.

    A tracking store that is owed nothing is looked at too: it may have been lost since it was paid.
    """
    given = {redact(resolved(uri)): uri for uri in uris}
    earlier = left_by_earlier_version(SPOOL)
    if earlier:
        _say(earlier)
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
        arrived = _written(root, place, uri)
    except UserError as error:
        _say(str(error))
        return 1
    left = place.records()
    rest = f", {counted(left)} still waiting" if left else ""
    print(f"{place.uri}, experiment {place.experiment}: {counted(arrived)} delivered{rest}")
    return int(left > 0)


def _written(root: Path, place: Place, uri: str) -> int:
    tracker = Tracker(uri, place.experiment)
    restored = place.recognise(tracker.made, tracker.exists)
    if not place.records():
        return 0
    with place.projecting():
        done = Projection(place, Store(root), tracker).write_owed(_say)
    if done.stuck:
        _say(done.stuck)
    elif restored:
        tracker.describe_all()
    return done.records


def _say(sentence: str) -> None:
    print(f"pruneexp.store: {sentence}", file=sys.stderr)
