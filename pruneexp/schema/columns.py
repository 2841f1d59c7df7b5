"""Trade-off points in columns: an Arrow table, which is quick to write and read for thousands of points.

The file of a curve's run has the same columns, and one more for the rows of the layers. Of metrics, every table has
those of classification, and those of its points after all other columns. Knows neither the origin nor the use of
points. The package does not import this module: pyarrow takes 0.1 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from pruneexp.schema.codec import flat_names, flat_types, flatten, names_text
from pruneexp.schema.derived import undefined
from pruneexp.schema.metrics import TOP1, TOP5
from pruneexp.schema.points import LayerRow, PointIdentity, PointResult, TradeoffPoint


class LoggedPoint(NamedTuple):
    """A trade-off point and the run that records it; ``started`` is in milliseconds since 1970."""

    run_id: str
    experiment: str
    started: int
    point: TradeoffPoint


IDENTITY = flat_names(PointIdentity)
#: Metrics that have columns in every table.
METRICS = (TOP1.name, TOP5.name)
_RARE = ("task", "rewound_masks", "started_from")
#: Columns that a file has only where a point has a value for one.
OPTIONAL = tuple(name for name in IDENTITY if name in _RARE or name.startswith("metric."))
_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
#: The beginning of the names of costs that a user defined.
_COST = "cost."
_SCORES = tuple(name.removesuffix("loss") for name in flat_types(PointResult) if name.endswith(".loss"))


def _scored(types: Mapping[str, type]) -> dict[str, type]:
    """The types of the values of a point, with those of metrics after the loss of each score."""
    found: dict[str, type] = {}
    for name, kind in types.items():
        found[name] = kind
        if name.endswith(".loss"):
            found |= {name.removesuffix("loss") + metric: float for metric in METRICS}
    return found


#: The numbers of a point.
RESULT = _scored(flat_types(PointResult))
_TYPES = {**flat_types(PointIdentity), **RESULT}
_BESIDE = {"run_id": str, "experiment": str, "started": int, "collapsed": str, "disconnected": bool, "undefined": str}
#: A column per value of a point, null where it is absent, and columns for its run and for doubts about its numbers.
SCHEMA = pa.schema([(name, _ARROW[kind]) for name, kind in {**_TYPES, **_BESIDE}.items()])
#: The rows of a point's layers, in the network's order.
LAYERS = pa.field("layers", pa.list_(pa.struct([(name, _ARROW[kind]) for name, kind in flat_types(LayerRow).items()])))


def table(points: Iterable[LoggedPoint]) -> pa.Table:
    """A row for each point, in their order, with the columns of ``SCHEMA``, other metrics and own costs."""
    found: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    others: set[str] = set()
    for number, row in enumerate(map(_row, points)):
        for name in row.keys() - found.keys():
            of = [name] if name.startswith(_COST) else [score + name.rpartition(".")[2] for score in _SCORES]
            found |= {each: [None] * number for each in of if each not in found}
            others.update(of)
        for name, column in found.items():
            column.append(row.get(name))
    schema = with_numbers(SCHEMA, sorted(others, key=_place))
    return pa.table({name: found[name] for name in schema.names}, schema)


def _row(logged: LoggedPoint) -> dict[str, object]:
    run_id, experiment, started, point = logged
    return {
        **flatten(point.identity),
        **flatten(point.result),
        "run_id": run_id,
        "experiment": experiment,
        "started": started,
        "collapsed": names_text(point.collapsed),
        "disconnected": point.disconnected,
        "undefined": undefined(point),
    }


def with_layers(points: Iterable[LoggedPoint]) -> pa.Table:
    """As ``table``, with the rows of each point's layers in the column ``layers``."""
    listed = list(points)
    rows = [[flatten(row) for row in logged.point.layers] for logged in listed]
    return table(listed).append_column(LAYERS, pa.array(rows, LAYERS.type))


def _place(name: str) -> tuple[str, int]:
    """Metrics by name, each in the order of scores; then costs."""
    score, _, metric = name.rpartition(".")
    return metric, _SCORES.index(f"{score}.") if f"{score}." in _SCORES else len(_SCORES)


def other_numbers(names: Iterable[str]) -> list[str]:
    """Those of the names of columns that hold a metric of a score, or a cost, beyond those that every table has."""
    return [name for name in names if name.startswith((*_SCORES, _COST)) and name not in _TYPES]


def with_numbers(schema: pa.Schema, names: Iterable[str]) -> pa.Schema:
    """A schema with further columns of these names, for numbers."""
    return pa.schema([*schema, *((name, pa.float64()) for name in names)])


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all tables, those of tables with the same columns together; a column that one lacks is null there."""
    alike: dict[tuple[str, ...], list[pa.Table]] = {}
    for one in tables:
        alike.setdefault(tuple(one.column_names), []).append(one)
    # Hundreds of tables with the same columns take 1 ms this way, and a promotion of each of them far longer.
    whole = [pa.concat_tables(same) for same in alike.values()]
    return pa.concat_tables(whole, promote_options="default")
