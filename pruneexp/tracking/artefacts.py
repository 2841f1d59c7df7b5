"""Finished points, and what the runs above them are made of, as records of the result store: plain values.

They are the record; what a tracking store shows is made of them, any number of times. Knows neither the store nor
MLflow.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pruneexp import schema
from pruneexp.errors import redact

ParentKind = Literal["curve", "study"]
#: The numbers of each epoch of the trainings of one kind (``dense``, ``retrain``, ``scratch``), by their names.
Courses = Mapping[str, Mapping[str, Sequence[float]]]


@dataclass(frozen=True)
class StoredPoint:
    """A point as it is stored: ``numbers`` are more metrics of it, ``recorded`` is in milliseconds since 1970.

    ``courses`` are those of the trainings behind it, which points of earlier versions lack.
    """

    point: schema.TradeoffPoint
    numbers: Mapping[str, float]
    recorded: int
    courses: Courses


@dataclass(frozen=True)
class Parent:
    """A curve or a search; ``key`` is what it is found by again.

    An empty ``name`` is made of the ``params``. ``environment`` is what ``pruneexp.provenance.environment`` returns;
    its git commit and the name are put on the points too. ``recorded`` is when it began, in milliseconds since 1970.
    """

    kind: ParentKind
    key: str
    name: str
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    config_yaml: str
    environment: Mapping[str, Any]
    recorded: int | None = None


def now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


def of_point(
    point: schema.TradeoffPoint, numbers: Mapping[str, float], courses: Courses | None = None
) -> dict[str, Any]:
    """The record of a point that is finished now."""
    found = {
        "identity": schema.flatten(point.identity),
        "result": schema.flatten(point.result),
        "layers": [schema.flatten(row) for row in point.layers],
        "collapsed": list(point.collapsed),
        "disconnected": point.disconnected,
        "numbers": dict(numbers),
        "courses": courses or {},
        "recorded": now(),
    }
    return {name: without_credentials(value) for name, value in found.items()}


def read_point(record: Mapping[str, Any]) -> StoredPoint:
    """Inverse of ``of_point``.

    Raises:
        KeyError: a value is missing.
        ValueError: a value cannot be read.
    """
    identity, result = schema.read_point(record["identity"], record["result"])
    point = schema.TradeoffPoint(
        identity=identity,
        result=result,
        layers=tuple(schema.unflatten(schema.LayerRow, row) for row in record["layers"]),
        collapsed=tuple(record["collapsed"]),
        disconnected=record["disconnected"],
    )
    return StoredPoint(point, record["numbers"], record["recorded"], record.get("courses", {}))


def of_parent(parent: Parent) -> dict[str, Any]:
    """The record of a curve or a search that begins now: what it is, wherever it is recorded."""
    found = {"name": parent.name, "params": dict(parent.params), "recorded": now()}
    return {name: without_credentials(value) for name, value in found.items()}


def noted_parent(parent: Parent) -> dict[str, Any]:
    """What the note of a curve or a search says: under what it was asked for by the experiment that it is for."""
    return {"tags": dict(parent.tags), "config_yaml": parent.config_yaml, "environment": dict(parent.environment)}


def read_parent(kind: ParentKind, key: str, record: Mapping[str, Any], noted: Mapping[str, Any]) -> Parent:
    """Inverse of ``of_parent`` and ``noted_parent``.

    Raises:
        KeyError: a value is missing.
    """
    told = (noted["tags"], noted["config_yaml"], noted["environment"])
    return Parent(kind, key, record["name"], record["params"], *told, record["recorded"])


def without_credentials(value: Any) -> Any:
    """A copy of a JSON-able value with the credentials in its texts hidden; what JSON lacks becomes text."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {str(key): without_credentials(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_credentials(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else redact(str(value))
