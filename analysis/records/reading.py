"""Typed records from raw runs: what a point and a scan are made of; not how a store is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from analysis.records.runs import Logbook, LoggedScan, RawRun, RunKind, TrackingStore
from analysis.records.stores import open_store
from analysis.records.uris import DEFAULT_URI, kept_path
from pruneexp.errors import UserError, guess, redact
from pruneexp.schema import (
    COLLAPSE,
    DISCONNECTED,
    FAILURE,
    LAYERS_FILE,
    MEASURED,
    RETRAINING,
    RETRAINING_FILE,
    SENSITIVITY_FILE,
    SWEEP,
    TOP1,
    WEIGHTS_FILE,
    LayerRow,
    LayerWeights,
    MeasuredPoint,
    Retraining,
    ScanIdentity,
    TradeoffPoint,
    names_of,
    read_measurement,
    read_point,
    read_retraining,
    read_scan,
    read_weights,
    unflatten,
    with_hashes,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from pruneexp.schema.columns import LoggedPoint

Record = TypeVar("Record")


def points(
    uri: str = DEFAULT_URI, experiments: Sequence[str] | None = None, copies: Path | None = None
) -> Logbook[pa.Table]:
    """Every finished point of the named experiments (``None``: of all) as one table, in the order of their run ids.

    Points are read run by run where neither a file of points nor the local copy holds them. ``copies`` is the folder of
    the local copy that is used and kept up to date, if any.

    Raises:
        UserError: the store cannot be read, or has no experiment of that name.
    """
    import pyarrow as pa  # here, for help is to be quick
    import pyarrow.compute as pc

    from analysis.records import copies as local
    from analysis.records import parquet
    from pruneexp.schema import columns

    store = open_store(uri)
    names = _chosen(store, uri, experiments)
    chosen = list(names.values())
    path = local.place(copies, uri) if copies is not None and kept_path(uri) is None else None
    copy = parquet.rows_of(local.files(path))
    files = parquet.rows_of(store.points_files(chosen, parquet.stamps_of(copy.rows, names)))
    rows = parquet.each_once([copy.rows, files.rows])
    changes = store.changes("point", chosen, parquet.stamps_of(rows, names))
    book = _sorted_out(store, [run for _, run in changes.fresh], _point)
    same = rows.filter(pc.is_in(rows["run_id"], value_set=pa.array(list(changes.same), pa.string())))
    fresh = parquet.stamped(columns.table(book.records), {run.run_id: stamp for stamp, run in changes.fresh})
    whole, remark = columns.joined([same, fresh]), ""
    if path is not None:
        others = pc.invert(pc.is_in(copy.rows["experiment_id"], value_set=pa.array(list(names), pa.string())))
        kept = columns.joined([copy.rows.filter(others), whole])
        if len(fresh) or set(kept["run_id"].to_pylist()) != set(copy.rows["run_id"].to_pylist()):
            remark = local.write(path, kept)
    notes = tuple(filter(None, (*copy.remarks, *files.remarks, remark, *book.notes)))
    return Logbook(parquet.unstamped(whole, names).sort_by("run_id"), notes)


def experiments(uri: str = DEFAULT_URI) -> tuple[str, ...]:
    """The names of all experiments, sorted.

    Raises:
        UserError: the store cannot be read.
    """
    return tuple(open_store(uri).experiments())


def sweeps(uri: str, kind: RunKind, experiments: Sequence[str]) -> dict[str, str]:
    """The name of the sweep that recorded each point or scan, by its run; of those that a sweep recorded.

    Raises:
        UserError: the store cannot be read.
    """
    return dict(open_store(uri).tagged(SWEEP, kind, experiments))


def measurements(uri: str, experiments: Sequence[str]) -> dict[str, MeasuredPoint]:
    """What was measured last of each point, by its run; of those that were measured.

    Raises:
        UserError: the store cannot be read.
    """
    found: dict[str, MeasuredPoint] = {}
    for run_id, text in open_store(uri).tagged(MEASURED, "point", experiments).items():
        with suppress(ValueError):  # of another version, or cut short: as if it had never been measured
            found[run_id] = read_measurement(text)
    return found


def stability(uri: str, experiments: Sequence[str]) -> dict[str, dict[str, float]]:
    """What ``python -m pruneexp.stability`` found of each point, by run; of those that it compared.

    Raises:
        UserError: the store cannot be read.
    """
    runs = open_store(uri).runs("point", experiments)
    found = {run.run_id: {name: value for name, value in run.metrics.items() if name.startswith("stability/")}
             for run in runs}  # fmt: skip
    return {run_id: numbers for run_id, numbers in found.items() if numbers}


def layers(uri: str, run_ids: Iterable[str]) -> dict[str, tuple[LayerRow, ...]]:
    """The rows of the layers of these points, in the network's order, by the run of each.

    They are in the file of points of the curve or study above, else in a file of the point's own run.

    Raises:
        UserError: the store cannot be read, or a point has no layers that can be.
    """
    from analysis.records.parquet import layers_of

    store = open_store(uri)
    found: dict[str, tuple[LayerRow, ...]] = {}
    for run_id in run_ids:
        rows: list[dict[str, object]] = []
        for file in store.points_files_over(run_id):
            with suppress(OSError, ValueError):  # the point's own run tells it too
                rows = rows or layers_of(file, run_id)
        try:
            rows = rows or json.loads(store.artefact(run_id, LAYERS_FILE))
            found[run_id] = tuple(unflatten(LayerRow, row) for row in rows)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"the layers of the point of run {run_id} cannot be read: {error}.") from error
        if not rows:
            raise UserError(f"the point of run {run_id} has no layers.")
    return found


def weights(uri: str, run_ids: Iterable[str]) -> dict[str, tuple[LayerWeights, ...]]:
    """How the weights of these points are distributed, by run; of those that have a file of it.

    Raises:
        UserError: the store cannot be read.
    """
    store = open_store(uri)
    found: dict[str, tuple[LayerWeights, ...]] = {}
    for run_id in run_ids:
        with suppress(OSError, ValueError):  # never counted, or by another version
            found[run_id] = read_weights(store.artefact(run_id, WEIGHTS_FILE))
    return found


def retrainings(uri: str, experiments: Sequence[str]) -> dict[str, Retraining]:
    """What retraining did to the points of these experiments, by run; of those that have a file of it.

    Raises:
        UserError: the store cannot be read.
    """
    store = open_store(uri)
    found: dict[str, Retraining] = {}
    for run_id in store.tagged(RETRAINING, "point", experiments):
        with suppress(OSError, ValueError):  # gone, or by another version
            found[run_id] = read_retraining(store.artefact(run_id, RETRAINING_FILE))
    return found


def course_name(metric: str | None) -> str:
    """The name of the metric that tells the val score of a point by epoch of retraining; None is top-1 accuracy."""
    return f"retrain/val.{metric or TOP1.name}"


def courses(uri: str, names: Mapping[str, str]) -> dict[str, Mapping[int, float]]:
    """The values by epoch of one metric of each run, which ``names`` has by run; of those that have it.

    Raises:
        UserError: the store cannot be read.
    """
    store = open_store(uri)
    found = {run_id: store.course(run_id, name) for run_id, name in names.items()}
    return {run_id: course for run_id, course in found.items() if course}


def scans(uri: str = DEFAULT_URI, experiments: Sequence[str] | None = None) -> Logbook[tuple[LoggedScan, ...]]:
    """Every finished scan whose table is there, in the order of their run ids.

    Raises:
        UserError: the store cannot be read, or has no experiment of that name.
    """
    store = open_store(uri)
    return _sorted_out(store, store.runs("scan", list(_chosen(store, uri, experiments).values())), _scan)


def _chosen(store: TrackingStore, uri: str, experiments: Sequence[str] | None) -> dict[str, str]:
    """The names of the experiments to be read, by id."""
    existing = store.experiments()
    for name in experiments or ():
        if name not in existing:
            known = ", ".join(existing) or "none"
            raise UserError(
                f"{redact(uri)} has no experiment {name!r}{guess(name, list(existing))}; it has {known} (--experiment)."
            )
    return {number: name for name, number in existing.items() if experiments is None or name in experiments}


def _sorted_out(
    store: TrackingStore, runs: Sequence[RawRun], typed: Callable[[TrackingStore, RawRun], Record]
) -> Logbook[tuple[Record, ...]]:
    records: list[Record] = []
    notes: list[str] = []
    for run in sorted(runs):
        if run.status == "FAILED":
            notes.append(f"run {run.run_id} failed: {run.tags.get(FAILURE, 'no reason was logged')}")
        elif run.status != "FINISHED":
            notes.append(f"run {run.run_id} is {run.status}")
        else:
            try:
                records.append(typed(store, run))
            except KeyError as error:
                notes.append(f"run {run.run_id} is left out: it has no {error.args[0]}")
            except ValueError as error:
                notes.append(f"run {run.run_id} is left out: {error}")
    return Logbook(tuple(records), tuple(notes))


def _point(_: TrackingStore, run: RawRun) -> LoggedPoint:
    from pruneexp.schema.columns import LoggedPoint

    collapsed = names_of(run.tags.get(COLLAPSE, ""))
    identity, result = read_point(with_hashes(run.params, run.tags), run.metrics)
    disconnected = run.tags.get(DISCONNECTED) == "true"
    point = TradeoffPoint(identity=identity, result=result, collapsed=collapsed, disconnected=disconnected)
    return LoggedPoint(run.run_id, run.experiment, run.started, point)


def _scan(store: TrackingStore, run: RawRun) -> LoggedScan:
    """Its numbers are in its file: a metric of MLflow's has whole steps, and no interval.

    Raises:
        KeyError: a parameter or an entry of the file is missing.
        ValueError: the file is missing or no such table, or a parameter cannot be read.
    """
    identity = unflatten(ScanIdentity, with_hashes(run.params, run.tags))
    try:
        scan = read_scan(identity, json.loads(store.artefact(run.run_id, SENSITIVITY_FILE)))
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"its {SENSITIVITY_FILE} cannot be read: {error}") from error
    if not scan.rows:
        raise ValueError(f"its {SENSITIVITY_FILE} has no rows")
    return LoggedScan(run.run_id, run.experiment, run.started, scan)
