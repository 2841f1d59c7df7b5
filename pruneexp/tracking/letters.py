"""What is recorded, as plain values: the same whether it is written at once, or waits in a file and is written later.

A letter is complete: it carries everything that the run it belongs to is made of, so that it can be delivered to a
store that has never heard of that run. Knows the ``Tracker`` that writes it, and no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pruneexp import schema
from pruneexp.tracking.artefacts import Parent
from pruneexp.tracking.tracker import Tracker

Kind = Literal["point", "failure", "scan", "summary", "ending"]

#: The order in which letters are delivered: how a run ended is said when everything is in it.
ORDER: tuple[Kind, ...] = ("point", "failure", "scan", "summary", "ending")

#: Kinds that a person counts as records.
RECORDS: tuple[Kind, ...] = ("point", "failure", "scan")


@dataclass(frozen=True)
class Letter:
    """One record. ``body`` is JSON-able; ``key`` tells what it is of: a point, a scan, or the parent itself."""

    kind: Kind
    key: str
    body: Mapping[str, Any]
    parent: Parent | None = None


def of_point(
    parent: Parent, point: schema.TradeoffPoint, tags: Mapping[str, str], numbers: Mapping[str, float]
) -> Letter:
    body = {
        "identity": schema.flatten(point.identity),
        "result": schema.flatten(point.result),
        "layers": [schema.flatten(row) for row in point.layers],
        "collapsed": list(point.collapsed),
        "disconnected": point.disconnected,
        "tags": dict(tags),
        "numbers": dict(numbers),
    }
    return Letter("point", point.identity.point_key, body, parent)


def of_failure(parent: Parent, identity: Mapping[str, Any], reason: str) -> Letter:
    return Letter("failure", str(identity["point_key"]), {"identity": dict(identity), "reason": reason}, parent)


def of_scan(scan: schema.Scan, config_yaml: str, environment: Mapping[str, Any]) -> Letter:
    body = {
        "identity": schema.flatten(scan.identity),
        "dense": schema.flatten(scan.dense),
        "images": scan.images,
        "rows": [schema.flatten(row) for row in scan.rows],
        "config_yaml": config_yaml,
        "environment": dict(environment),
    }
    return Letter("scan", scan.identity.scan_key, body)


def of_summary(parent: Parent, numbers: Mapping[str, float]) -> Letter:
    return Letter("summary", parent.key, {"numbers": dict(numbers)}, parent)


def of_ending(parent: Parent, status: Literal["FINISHED", "FAILED", "KILLED"]) -> Letter:
    return Letter("ending", parent.key, {"status": status}, parent)


def plain(letter: Letter) -> dict[str, Any]:
    """The letter in dicts and lists."""
    return asdict(letter)


def read(found: Mapping[str, Any]) -> Letter:
    """Inverse of ``plain``, after JSON.

    Raises:
        KeyError: something is missing.
        TypeError: something is of another kind.
    """
    parent = Parent(**found["parent"]) if found["parent"] is not None else None
    return Letter(found["kind"], found["key"], found["body"], parent)


def post(letter: Letter, tracker: Tracker, run_id: str) -> None:
    """Write a letter into the run it belongs to; what is recorded already stays as it is.

    Raises:
        UserError: the store refuses.
        KeyError: a value is missing, as in a letter of another version.
        ValueError: a value cannot be read.
    """
    body = letter.body
    match letter.kind:
        case "point":
            point = schema.TradeoffPoint(
                identity=schema.unflatten(schema.PointIdentity, body["identity"]),
                result=schema.unflatten(schema.PointResult, body["result"]),
                layers=tuple(schema.unflatten(schema.LayerRow, row) for row in body["layers"]),
                collapsed=tuple(body["collapsed"]),
                disconnected=body.get("disconnected", False),  # a letter of an earlier version does not say
            )
            tracker.log_point(run_id, point, body["tags"], body["numbers"])
        case "failure":
            tracker.log_failure(run_id, body["identity"], body["reason"])
        case "scan":
            scan = schema.Scan(
                identity=schema.unflatten(schema.ScanIdentity, body["identity"]),
                dense=schema.unflatten(schema.Score, body["dense"]),
                images=body["images"],
                rows=tuple(schema.unflatten(schema.LayerSensitivity, row) for row in body["rows"]),
            )
            tracker.log_scan(scan, body["config_yaml"], body["environment"])
        case "summary":
            tracker.summarise(run_id, body["numbers"])
        case "ending":
            tracker.close_curve(run_id, body["status"])
