"""Trade-off points in columns: an Arrow table, which is quick to write and read for thousands of points.

The file of a curve's run has the same columns, and one more for the rows of the layers. Knows neither the origin nor
the use of points. The package does not import this module: pyarrow takes 0.1 s.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa

from pruneexp.schema.codec import flat_names, flat_types, flatten, names_text
from pruneexp.schema.derived import undefined
from pruneexp.schema.points import LayerRow, PointIdentity, PointResult, TradeoffPoint


class LoggedPoint(NamedTuple):
    """A trade-off point and the run that records it; ``started`` is in milliseconds since 1970."""

    run_id: str
    experiment: str
    started: int
    point: TradeoffPoint


IDENTITY = flat_names(PointIdentity)
_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
_TYPES = {**flat_types(PointIdentity), **flat_types(PointResult)}
_BESIDE = {"run_id": str, "experiment": str, "started": int, "collapsed": str, "disconnected": bool, "undefined": str}
#: A column per value of a point, null where it is absent, and columns for its run and for doubts about its numbers.
SCHEMA = pa.schema([(name, _ARROW[kind]) for name, kind in {**_TYPES, **_BESIDE}.items()])
#: The rows of a point's layers, in the network's order.
LAYERS = pa.field("layers", pa.list_(pa.struct([(name, _ARROW[kind]) for name, kind in flat_types(LayerRow).items()])))


def table(points: Iterable[LoggedPoint]) -> pa.Table:
    """A row for each point, in their order, with the columns of ``SCHEMA``."""
    found: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for run_id, experiment, started, point in points:
        row = {**flatten(point.identity), **flatten(point.result)}
        row |= {"run_id": run_id, "experiment": experiment, "started": started}
        row |= {"collapsed": names_text(point.collapsed), "disconnected": point.disconnected}
        row["undefined"] = undefined(point.result)
        for name, column in found.items():
            column.append(row.get(name))
    return pa.table(found, SCHEMA)


def with_layers(points: Iterable[LoggedPoint]) -> pa.Table:
    """As ``table``, with the rows of each point's layers in the column ``layers``."""
    listed = list(points)
    rows = [[flatten(row) for row in logged.point.layers] for logged in listed]
    return table(listed).append_column(LAYERS, pa.array(rows, LAYERS.type))
