"""A tracking store of thousands of trade-off points, complete like real ones, built in a minute.

``Tracker`` records one curve and one point; every run of the store is a copy of their rows, with names, keys and
numbers of its own, because recording them one by one takes a quarter of an hour. The only files are those of the
curves' points.
"""

from __future__ import annotations

import hashlib
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import count as numbers_from
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pruneexp import schema
from pruneexp.experiment.session import OF_A_POINT
from pruneexp.schema import Effort, Ledger, TradeoffPoint, derived, flatten
from pruneexp.schema.columns import RESULT, LoggedPoint, with_layers
from pruneexp.tracking import Parent, Tracker, curve_name, default_uri, point_name
from pruneexp.tracking.colours import COLOUR, curve_colour
from pruneexp.tracking.contents import point_run
from pruneexp.tracking.runs import PARENT
from tests.contracts.points import point

EXPERIMENT = "pruneexp"
MODELS = ("lenet_300_100", "lenet5", "alexnet", "vgg16", "resnet20")
CONDITIONS = tuple(product(MODELS, ("l1", "l2", "none"), ("one_shot", "iterative")))
MODES = ("prune", "scratch_e", "scratch_b", "rewind")
#: The points of a curve.
BUDGETS = tuple(round(0.72**step, 4) for step in range(2, 14))
_NAME = "mlflow.runName"
#: Metrics that only some points have.
_ABSENT = dict.fromkeys((*RESULT, "val.change_before.top1"))
_TABLES = ("params", "tags", "latest_metrics", "metrics")
#: Between the beginnings of two runs.
_MILLISECONDS = 1_000

Row = dict[str, Any]


class Copies:
    """Runs that are copies of one, in an open database."""

    def __init__(self, connection: sqlite3.Connection, run_id: str) -> None:
        self._connection = connection
        (self._run,) = _rows(connection, "runs", run_id)
        self._contents = {table: _rows(connection, table, run_id) for table in _TABLES}

    def add(self, number: int, values: Mapping[str, object]) -> str:
        """Add a copy of the run, with ``values`` for the params, tags and metrics that they name, none for ``None``."""
        run_id = uuid.uuid4().hex
        began = self._run["start_time"] + number * _MILLISECONDS
        own = {"run_uuid": run_id, "name": values[_NAME], "start_time": began, "end_time": began + 500}
        self._insert("runs", [{**self._run, **own, "artifact_uri": self._run["artifact_uri"].replace(
            self._run["run_uuid"], run_id)}])  # fmt: skip
        for table, rows in self._contents.items():
            copied = [{**row, "run_uuid": run_id, "value": values.get(row["key"], row["value"])} for row in rows]
            self._insert(table, [row for row in copied if row["value"] is not None])
        return run_id

    def _insert(self, table: str, rows: list[Row]) -> None:
        if rows:
            names, marks = ", ".join(rows[0]), ", ".join("?" * len(rows[0]))
            self._connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})",
                                         [tuple(row.values()) for row in rows])  # fmt: skip


def build(folder: Path, count: int, *, files: bool = True) -> None:
    """Make ``mlflow.db`` in ``folder``: one experiment of ``count`` finished points, and the curves they are under.

    Each curve carries its file of points where ``files`` says so; earlier versions recorded none.
    """
    templates = _recorded(folder)
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection, connection:
        curves, points = (Copies(connection, run_id) for run_id in templates)
        made, number = 0, numbers_from(1)
        for curve in _curves():
            if made == count:
                break
            of = flatten(curve[0].identity)
            run_id = curves.add(next(number), {**_texts(of), _NAME: curve_name(of), schema.CURVE: curve_name(of)})
            of_curve: list[LoggedPoint] = []
            for one in curve[: count - made]:
                of = flatten(one.identity)
                own = {_NAME: point_name(of), schema.CURVE: curve_name(of), PARENT: run_id}
                results = {**_ABSENT, **flatten(one.result), **derived(one)}
                run = points.add(next(number), {**_texts(of), **own, **results})
                of_curve.append(LoggedPoint(run, EXPERIMENT, 0, one))
                made += 1
            if files:
                _carry(connection, run_id, of_curve)
        for table, run_id in product(("runs", *_TABLES), templates):
            connection.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (run_id,))


def _carry(connection: sqlite3.Connection, curve: str, points: Iterable[LoggedPoint]) -> None:
    """Write the Parquet file that the run of a curve carries."""
    query = "SELECT start_time, end_time, experiment_id FROM runs WHERE run_uuid = ?"
    ordered = sorted(points, key=lambda one: one.run_id)
    runs = [connection.execute(query, (one.run_id,)).fetchone() for one in ordered]
    table = with_layers(one._replace(started=run[0]) for one, run in zip(ordered, runs, strict=True))
    table = table.append_column("ended", pa.array([run[1] for run in runs], pa.int64()))
    table = table.append_column("experiment_id", pa.array([str(run[2]) for run in runs], pa.string()))
    (uri,) = connection.execute("SELECT artifact_uri FROM runs WHERE run_uuid = ?", (curve,)).fetchone()
    folder = Path(uri.removeprefix("file://"), schema.POINTS_FOLDER)
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "0123456789abcdef.parquet", compression="snappy", use_dictionary=False)


def log_again(database: Path) -> None:
    """Add one point: a copy of a run under an id of its own."""
    with closing(sqlite3.connect(database)) as connection, connection:
        query = f"SELECT run_uuid FROM tags WHERE key = '{schema.POINT_KEY}' LIMIT 1"
        (run_id,) = connection.execute(query).fetchone()
        Copies(connection, run_id).add(1, {_NAME: "again"})


def _curves() -> Iterator[list[TradeoffPoint]]:
    """Five networks, three regularizers, two schedules, four modes, and seeds without end."""
    for seed in numbers_from():
        for condition, mode in product(CONDITIONS, MODES):
            yield [_point(*condition, mode, seed, density) for density in BUDGETS]


def _point(model: str, reg: str, schedule: str, mode: str, seed: int, density: float) -> TradeoffPoint:
    fall = 0.004 / density + 0.1 * (seed % 3)
    made = point(model=model, data="synthetic", reg=reg, schedule=schedule, mode=mode, seed=seed, density=density,
                 before=max(10.0, 97.0 - 8 * fall), after=97.0 - fall)  # fmt: skip
    dense, prune = (hashlib.sha256(text.encode()).hexdigest() for text in (f"{model} {reg}", schedule))
    spent = Effort(epochs=10, flop=1e12, seconds=12.5, stages=1, cached=1)
    ledger = Ledger(dense=spent, prune=spent, retrain=spent, scratch=spent)
    identity = replace(made.identity, dense_settings=dense, prune_settings=prune)
    return replace(made, identity=identity, result=replace(made.result, ledger=ledger))


def _recorded(folder: Path) -> tuple[str, str]:
    """Record a curve and a point by ``Tracker``; return the ids of their runs."""
    tracker = Tracker(default_uri(folder), EXPERIMENT)
    first = next(_curves())[0]
    of = flatten(first.identity)
    shared = {name: value for name, value in of.items() if name not in OF_A_POINT}
    parent = Parent("curve", first.identity.curve_key, "", shared, {schema.SWEEP: "sweep", schema.JOB: "0"}, "", {})
    curve = tracker.begin(parent)
    run = tracker.record(point_run(first, {}, {}), curve)
    assert run is not None
    tracker.update(curve, "FINISHED")
    return curve, run


def _texts(identity: Mapping[str, Any]) -> Row:
    """Params, and the tags that follow from them."""
    tags = {
        **schema.hash_tags(identity),
        schema.POINT_KEY: identity["point_key"],
        schema.CURVE_KEY: identity["curve_key"],
        COLOUR: curve_colour(identity),
    }
    return {**{key: str(value) for key, value in identity.items()}, **tags}


def _rows(connection: sqlite3.Connection, table: str, run_id: str) -> list[Row]:
    cursor = connection.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (run_id,))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
