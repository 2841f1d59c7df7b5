"""The Parquet files that runs of curves and studies carry: their points in columns, one file for each result store.

A file holds what the points' own runs hold, and is read at once where a tracking store tells those run by run. Knows
how a file is laid out, and not where it lies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.records.runs import PointsFile, Stamp
from pruneexp.schema import PointIdentity, PointResult, flat_defaults
from pruneexp.schema.columns import LAYERS, OPTIONAL, SCHEMA, joined, other_numbers, with_numbers

#: What a column is taken for that a file of an earlier version lacks; every other column must be there.
_DEFAULTS = {**flat_defaults(PointIdentity), **flat_defaults(PointResult)}
_DEFAULTS |= {name: None for name in SCHEMA.names if name.endswith(".top5")}
#: What a store told of the run of a point (``Stamp``).
_STAMPS = (("ended", pa.int64()), ("experiment_id", pa.string()))
_READ = pa.schema([*SCHEMA, *_STAMPS])
#: What a file of classification has.
_USUAL = pa.schema([field for field in _READ if field.name not in OPTIONAL])


class PointsTable(NamedTuple):
    """Stamped points, each run once, and a sentence on the files passed over for one reason."""

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
    return PointsTable(each_once(tables), tuple(_remark(reason, names) for reason, names in passed_over.items()))


def each_once(tables: Iterable[pa.Table]) -> pa.Table:
    """The points of all tables, each run once, as the first has it: machines with own stores may share some."""
    rows = joined(list(tables)).combine_chunks()
    first = {run_id: place for place, run_id in reversed(list(enumerate(rows["run_id"].to_pylist())))}
    return rows if len(first) == len(rows) else rows.take(sorted(first.values()))


def stamped(points: pa.Table, stamps: Mapping[str, Stamp]) -> pa.Table:
    """Points with the stamps of their runs, as the file of a curve has them."""
    of = [stamps[run_id] for run_id in points["run_id"].to_pylist()]
    for (name, kind), values in zip(_STAMPS, ([one.ended for one in of], [one.experiment for one in of]), strict=True):
        points = points.append_column(name, pa.array(values, kind))
    return points


def stamps_of(rows: pa.Table, experiments: Collection[str]) -> dict[str, Stamp]:
    """The stamps of points by run, of those in the experiments with these ids."""
    columns = (rows[name].to_pylist() for name in ("run_id", "experiment_id", "ended"))
    return {run_id: Stamp(experiment, ended) for run_id, experiment, ended in zip(*columns, strict=True)
            if experiment in experiments}  # fmt: skip


def unstamped(rows: pa.Table, experiments: Mapping[str, str]) -> pa.Table:
    """Points without stamps, with the present names of their experiments, which are given by id."""
    names = pa.array([experiments[number] for number in rows["experiment_id"].to_pylist()], pa.string())
    found = rows.set_column(rows.schema.get_field_index("experiment"), "experiment", names)
    return found.drop_columns([name for name, _ in _STAMPS])


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
    return pq.ParquetFile(pa.BufferReader(file.content), page_checksum_verification=True)


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
    for name in ("run_id", *(name for name, _ in _STAMPS)):
        if table[name].null_count:
            raise ValueError(f"it has a point without {name}")
    return table


def _repeated(value: object, table: pa.Table, kind: pa.DataType) -> pa.Array:
    return pa.array([value] * len(table), kind)
