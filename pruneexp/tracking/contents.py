"""What points and scans become in MLflow: metrics, tags and files. Pure functions; knows no store."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pruneexp import schema
from pruneexp.tracking.runs import Value

if TYPE_CHECKING:
    import pyarrow as pa

    from pruneexp.schema.columns import LoggedPoint


def remarks(point: schema.TradeoffPoint) -> dict[str, str]:
    """Tags of what a reader of the numbers must know; absent where there is nothing."""
    found = {
        schema.COLLAPSE: schema.names_text(point.collapsed) if point.collapsed else "",
        schema.DENSITY_MISSED: "true" if point.density_missed else "",
        schema.DISCONNECTED: "true" if point.disconnected else "",
        schema.UNDEFINED: schema.undefined(point.result),
    }
    return {tag: text for tag, text in found.items() if text}


def point_metrics(point: schema.TradeoffPoint, numbers: Mapping[str, float]) -> list[Value]:
    """The numbers of a point and what follows from them; ``numbers`` adds to them."""
    found = {**numbers, **schema.derived(point.result), **schema.flatten(point.result)}
    return [Value(name, value) for name, value in found.items()]


def layers_file(point: schema.TradeoffPoint) -> dict[str, str]:
    """The rows of the layers, as a list of objects."""
    return {schema.LAYERS_FILE: json.dumps([schema.flatten(row) for row in point.layers], indent=1)}


def scan_metrics(scan: schema.Scan) -> list[Value]:
    """Each layer as a series of accuracy changes (points) over its pruned weights (permille)."""
    metrics = [Value("images", scan.images), Value("dense.top1", scan.dense.top1)]
    for row in scan.rows:
        change, pruned = row.val.top1 - scan.dense.top1, round(1000 * (1 - row.density))
        metrics.append(Value(f"sensitivity/{row.group}/top1_change", change, pruned))
    return metrics


def scan_file(scan: schema.Scan) -> dict[str, str]:
    """The exact numbers of a scan."""
    table = {
        "dense": schema.flatten(scan.dense),
        "images": scan.images,
        "rows": [schema.flatten(row) for row in scan.rows],
    }
    return {schema.SENSITIVITY_FILE: json.dumps(table, indent=1)}


def parquet(logged: Iterable[tuple[LoggedPoint, int]], experiment_id: str) -> bytes:
    """The Parquet file of points and the moments at which their runs ended, in milliseconds since 1970, by run.

    Its columns are those of ``schema.columns``, ``ended`` and ``experiment_id``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pruneexp.schema.columns import with_layers

    ordered = sorted(logged, key=lambda pair: pair[0].run_id)
    table = _as_by_mlflow(with_layers(point for point, _ in ordered))
    ended, ids = [moment for _, moment in ordered], [experiment_id] * len(ordered)
    table = table.append_column(pa.field("ended", pa.int64()), pa.array(ended, pa.int64()))
    table = table.append_column(pa.field("experiment_id", pa.string()), pa.array(ids, pa.string()))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="snappy", use_dictionary=False, write_statistics=False, store_schema=False)
    return bytes(sink.getvalue())


def _as_by_mlflow(table: pa.Table) -> pa.Table:
    """The largest number in place of an infinite one, as MLflow keeps a metric."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(table.schema):
        if field.type == pa.float64():
            column = table.column(place)
            largest = pc.multiply(pc.sign(column), sys.float_info.max)
            table = table.set_column(place, field, pc.if_else(pc.is_inf(column), largest, column))
    return table
