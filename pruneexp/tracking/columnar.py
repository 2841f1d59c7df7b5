"""The Parquet file that the run of a curve or study carries: its points in columns, the rows of the layers beside them.

Not imported with the package: pyarrow takes 0.1 s.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pruneexp.schema import TradeoffPoint
from pruneexp.schema.columns import LoggedPoint, with_layers


class LoggedRun(NamedTuple):
    """A point and its run; ``started`` and ``ended`` are in milliseconds since 1970."""

    run_id: str
    started: int
    ended: int
    point: TradeoffPoint


def parquet(logged: Sequence[LoggedRun], experiment: str, experiment_id: str) -> bytes:
    """The content of the file, sorted by run: the columns of ``schema.columns``, ``ended`` and ``experiment_id``."""
    ordered = sorted(logged, key=lambda run: run.run_id)
    table = with_layers(LoggedPoint(run.run_id, experiment, run.started, run.point) for run in ordered)
    table = _as_by_mlflow(table)
    table = table.append_column(pa.field("ended", pa.int64()), pa.array([run.ended for run in ordered], pa.int64()))
    ids = pa.array([experiment_id] * len(ordered), pa.string())
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.append_column(pa.field("experiment_id", pa.string()), ids),
        sink,
        compression="snappy",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
    )
    return bytes(sink.getvalue())


def _as_by_mlflow(table: pa.Table) -> pa.Table:
    """The largest number in place of an infinite one, as MLflow keeps a metric."""
    for place, field in enumerate(table.schema):
        if field.type == pa.float64():
            column = table.column(place)
            largest = pc.multiply(pc.sign(column), sys.float_info.max)
            table = table.set_column(place, field, pc.if_else(pc.is_inf(column), largest, column))
    return table
