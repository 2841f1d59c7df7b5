"""Trade-off points in columns: the Arrow table that thousands of them are quickly kept as, and made into a frame from.

Knows the names and types of records, and neither where points come from nor what is asked of them.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from analysis.runs import LoggedPoint
from pruneexp.schema import PointIdentity, PointResult, flat_names, flat_types, flatten, names_text, undefined

IDENTITY = flat_names(PointIdentity)
_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
_TYPES = {**flat_types(PointIdentity), **flat_types(PointResult)}
_BESIDE = {"run_id": str, "experiment": str, "started": int, "collapsed": str, "disconnected": bool, "undefined": str}
#: A column per value of a point, null where it is absent, and those that say where it was logged and what to know.
SCHEMA = pa.schema([(name, _ARROW[kind]) for name, kind in {**_TYPES, **_BESIDE}.items()])


def table(points: Iterable[LoggedPoint]) -> pa.Table:
    """A row for each point, in their order."""
    found: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for run_id, experiment, started, point in points:
        row = {**flatten(point.identity), **flatten(point.result)}
        row |= {"run_id": run_id, "experiment": experiment, "started": started}
        row |= {"collapsed": names_text(point.collapsed), "disconnected": point.disconnected}
        row["undefined"] = undefined(point.result)
        for name, column in found.items():
            column.append(row.get(name))
    return pa.table(found, SCHEMA)
