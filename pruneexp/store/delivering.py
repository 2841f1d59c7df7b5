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
    """Write what result stores owe to the tracking stores named, or to all; 1 where anything is owed still."""
    given = {redact(resolved(uri)): uri for uri in uris}
    earlier = left_by_earlier_version(SPOOL)
    if earlier:
        _say(earlier)
    status, asked = 0, 0
    for root in roots:
        for place in places(root):
            if (not given or place.uri in given) and (place.records() or _lost(place)):
                asked += 1
                status |= _deliver(root, place, given.get(place.uri, place.uri))
    if not asked:
        print(f"nothing is owed by {', '.join(map(str, roots))}")
    return status


def _deliver(root: Path, place: Place, uri: str) -> int:
    try:
        if "***" in uri:
            raise UserError(f"{place.uri} asks for a password: repeat it in full, --tracking-uri URI.")
        arrived = _written(root, place, uri)
    except UserError as error:
        _say(str(error))
        arrived = 0
    left = place.records()
    rest = f", {counted(left)} still waiting" if left else ""
    print(f"{place.uri}, experiment {place.experiment}: {counted(arrived)} delivered{rest}")
    return int(left > 0)


def _written(root: Path, place: Place, uri: str) -> int:
    tracker = Tracker(uri, place.experiment)
    restored = place.recognise(tracker.made, tracker.exists)
    with place.projecting():
        done = Projection(place, Store(root), tracker).write_owed(_say)
    if restored and not done.stuck:
        tracker.describe_all()
    if done.stuck:
        _say(done.stuck)
    return done.records


def _lost(place: Place) -> bool:
    """Whether the database that was paid is not there any more."""
    path = sqlite_path(place.uri)
    return path is not None and not path.exists()


def _say(sentence: str) -> None:
    print(f"pruneexp.store: {sentence}", file=sys.stderr)
