"""The Parquet files that runs of curves and studies carry: their points in columns, one file for each result store.

A file holds what the points' own runs hold, and is read at once where a tracking store tells those run by run. Knows
how a file is laid out, and not where it lies.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.records import copies
from analysis.records.runs import PointsFile
from pruneexp.schema import PointIdentity, PointResult, flat_defaults
from pruneexp.schema.columns import LAYERS, OPTIONAL, SCHEMA, joined, other_numbers, with_numbers

#: What a column is taken for that a file of an earlier version lacks; every other column must be there.
_DEFAULTS = {**flat_defaults(PointIdentity), **flat_defaults(PointResult)}
_DEFAULTS |= {name: None for name in SCHEMA.names if name.endswith(".top5")}
_READ = pa.schema([*SCHEMA, ("ended", pa.int64()), ("experiment_id", pa.string())])
#: What a file of classification has.
_USUAL = pa.schema([field for field in _READ if field.name not in OPTIONAL])


class PointsTable(NamedTuple):
    """Points with the stamps of their runs, each run once, and a sentence on the files passed over for one reason."""

    rows: pa.Table
    remarks: tuple[str, ...]


def rows_of(files: Iterable[PointsFile]) -> PointsTable:
    """The points of all files; those of a file that cannot be read are left out, and read from their runs."""
    tables: list[pa.Table] = [_READ.empty_table()]
    passed_over: dict[str, list[str]] = {}
    for file in files:
        try:
            tables.append(_rows(_opened(file)))
        except (OSError, ValueError, pa.ArrowException) as error:
            passed_over.setdefault(str(error), []).append(file.name)
    whole = _each_once(joined(tables).combine_chunks())
    stamps = (whole["experiment_id"], whole["ended"], _repeated("", whole, pa.string()))
    rows = whole.drop_columns(["experiment_id", "ended"])
    for (name, kind), values in zip(copies.STAMPS, stamps, strict=True):
        rows = rows.append_column(pa.field(name, kind), values)
    return PointsTable(rows, tuple(_remark(reason, names) for reason, names in passed_over.items()))


def _remark(reason: str, names: list[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more} cannot be read, and the points are read from their runs: {reason}"


def layers_of(file: PointsFile, run_id: str) -> list[dict[str, object]]:
    """The rows of the layers of the point that this run is of, without what is absent; none where the file has none.

    Raises:
        OSError: the file cannot be fetched.
        ValueError: it is damaged, or of another kind.
    """
    opened = _opened(file)
    if not {"run_id", LAYERS.name} <= set(opened.schema_arrow.names):
        return []
    table = opened.read(columns=["run_id", LAYERS.name], use_threads=False)
    runs, layers = table["run_id"].to_pylist(), table[LAYERS.name].to_pylist()
    rows = dict(zip(runs, layers, strict=True)).get(run_id) or []
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def _opened(file: PointsFile) -> pq.ParquetFile:
    if isinstance(file.content, OSError):
        raise file.content
    return pq.ParquetFile(pa.BufferReader(file.content))


def _rows(file: pq.ParquetFile) -> pa.Table:
    """Raises ``ValueError`` where a column is missing or holds something else."""
    names = set(file.schema_arrow.names)
    metrics = other_numbers(file.schema_arrow.names)
    table = file.read(columns=[*(name for name in _READ.names if name in names), *metrics], use_threads=False)
    if not table.schema.equals(_USUAL):  # of another version, or with other metrics
        for name in _READ.names:
            if name not in names and name not in _DEFAULTS:
                raise ValueError(f"it has no {name}")
        wanted = with_numbers(_READ, metrics)
        columns = [table[field.name] if field.name in names else _repeated(_DEFAULTS[field.name], table, field.type)
                   for field in wanted]  # fmt: skip
        table = pa.table(columns, wanted.names).cast(wanted)
    for name in ("run_id", "ended", "experiment_id"):
        if table[name].null_count:
            raise ValueError(f"it has a point without {name}")
    return table


def _repeated(value: object, table: pa.Table, kind: pa.DataType) -> pa.Array:
    return pa.array([value] * len(table), kind)


def _each_once(rows: pa.Table) -> pa.Table:
    """Machines with stores of their own may hold the same points."""
    first = {run_id: place for place, run_id in reversed(list(enumerate(rows["run_id"].to_pylist())))}
    return rows if len(first) == len(rows) else rows.take(sorted(first.values()))
