"""Records that waited in the folder of an earlier version become artefacts and notes, once; then they are removed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pruneexp.cache.store import Artefact, Store
from pruneexp.tracking.artefacts import Parent, of_parent
from pruneexp.tracking.notes import Note, Place


def adopt(spool: Path, store: Store, say: Callable[[str], None]) -> None:
    """Take over every record below ``spool``; one that cannot be read is said, and stays where it is."""
    for about in sorted(spool.glob("*/store.json")):
        where = json.loads(about.read_text(encoding="utf-8"))
        place = Place(store.root, where["uri"], where["experiment"])
        for path in sorted(about.parent.glob("*-*-*.json")):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                _take_over(content["letter"], content["written"] // 10**6, place, store)
            except (ValueError, KeyError, TypeError) as error:
                say(f"{path}, of an earlier version, cannot be read ({error}): its command records it again.")
                continue
            path.unlink(missing_ok=True)


def _take_over(letter: Mapping[str, Any], written: int, place: Place, store: Store) -> None:
    """One record, written down at a moment in milliseconds since 1970; ``parent`` is the curve or study it is under."""
    kind, key, body = letter["kind"], letter["key"], letter["body"]
    under = _parent(letter["parent"], place, store) if letter["parent"] else {}
    match kind:
        case "point":
            record = {"disconnected": False, **body, "recorded": written}
            _keep(store, key, kind, {name: value for name, value in record.items() if name != "tags"})
            place.owe(Note("point", key, {"under": _name(under), "tags": body["tags"]}))
        case "failure":
            place.owe(Note("failure", key, {"under": _name(under), "tags": {}, **body}))
        case "scan":
            place.owe(Note("scan", key, {name: body[name] for name in ("identity", "config_yaml", "environment")}))
        case _:
            note = place.find(under["kind"], key)
            place.owe(Note(under["kind"], key, {**(note.body if note else {}), **body}))


def _parent(found: Mapping[str, Any], place: Place, store: Store) -> Mapping[str, Any]:
    parent = Parent(**found)
    _keep(store, parent.key, parent.kind, of_parent(parent))
    if place.find(parent.kind, parent.key) is None:
        place.owe(Note(parent.kind, parent.key, {"tags": dict(parent.tags), "numbers": {}, "status": None}))
    return found


def _keep(store: Store, key: str, kind: str, record: Mapping[str, Any]) -> None:
    store.produce(key, kind, lambda _: Artefact({}, record), [])


def _name(parent: Mapping[str, Any]) -> str:
    return f"{parent['kind']}-{parent['key']}"
