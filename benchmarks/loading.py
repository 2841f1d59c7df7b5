"""Load 10,000 logged trade-off points and publish the trade-off from them: at most 20 s, and 3 s from the local copy.

    python -m benchmarks.loading [POINTS]

Compares the project's reader with ``mlflow.search_runs``, the call a user would write, on the same store in the same
run. The store is made by logging one point through MLflow's client and copying its rows, because logging so many
one by one would take minutes.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from itertools import islice, product
from pathlib import Path

from pruneexp import schema
from pruneexp.schema import TradeoffPoint, flatten
from tests.contracts.points import point

COLD_SECONDS, AGAIN_SECONDS = 20.0, 3.0
MODELS = ("lenet_300_100", "lenet5", "alexnet", "vgg16", "resnet20")
LEDGER = {f"ledger.{kind}.{field}": 1.0 for kind in ("dense", "prune", "retrain", "scratch")
          for field in ("epochs", "flop", "seconds", "stages", "cached")}  # fmt: skip


def points() -> Iterator[TradeoffPoint]:
    """Five networks, three regularizers, two schedules, four modes, and budgets and seeds without end."""
    conditions = tuple(product(MODELS, ("l1", "l2", "none"), ("one_shot", "iterative")))
    modes = ("prune", "scratch_e", "scratch_b", "rewind")
    budgets = tuple(round(0.72**step, 4) for step in range(2, 14))
    for seed in range(1_000):
        for (model, reg, schedule), mode, density in product(conditions, modes, budgets):
            fall = 0.004 / density + 0.1 * (seed % 3)
            yield point(model=model, data="synthetic", reg=reg, schedule=schedule, mode=mode, seed=seed,
                        density=density, before=max(10.0, 97.0 - 8 * fall), after=97.0 - fall)  # fmt: skip


def build(database: Path, count: int) -> None:
    """A fresh SQLite tracking store with one experiment of ``count`` finished points."""
    template = _log_one(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        rows = {table: _rows(connection, table, template) for table in ("runs", "params", "latest_metrics", "tags")}
        for made in islice(points(), 1, count):
            run_id = uuid.uuid4().hex
            values = {k: str(v) for k, v in flatten(made.identity).items()}
            numbers: dict[str, float] = {**LEDGER, **flatten(made.result)}
            for table, copied in rows.items():
                fresh = [_changed(row, run_id, values if table == "params" else numbers) for row in copied
                         if table != "latest_metrics" or row["key"] in numbers]  # fmt: skip
                names = ", ".join(fresh[0])
                marks = ", ".join("?" * len(fresh[0]))
                connection.executemany(
                    f"INSERT INTO {table} ({names}) VALUES ({marks})", [tuple(row.values()) for row in fresh]
                )


def _log_one(database: Path) -> str:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    client = MlflowClient(tracking_uri=f"sqlite:///{database}")
    experiment = client.create_experiment("pruneexp", artifact_location=str(database.parent))
    run_id = client.create_run(experiment).info.run_id
    first = next(points())
    numbers: dict[str, float] = {**LEDGER, **flatten(first.result)}
    client.log_batch(
        run_id,
        metrics=[Metric(key, float(value), 0, 0) for key, value in numbers.items()],
        params=[Param(key, str(value)) for key, value in flatten(first.identity).items()],
        tags=[RunTag(schema.KIND, "point"), RunTag(schema.SCHEMA, schema.SCHEMA_VERSION)],
    )
    client.set_terminated(run_id, "FINISHED")
    return str(run_id)


def _log_again(database: Path) -> None:
    """One point more: a run copied under an id of its own."""
    with closing(sqlite3.connect(database)) as connection, connection:
        (run_id,) = connection.execute("SELECT run_uuid FROM runs ORDER BY run_uuid").fetchone()
        for table in ("runs", "params", "latest_metrics", "tags"):
            for row in _rows(connection, table, run_id):
                fresh = {**row, "run_uuid": "f" * 32}
                marks = ", ".join("?" * len(fresh))
                connection.execute(f"INSERT INTO {table} ({', '.join(fresh)}) VALUES ({marks})", tuple(fresh.values()))


def _rows(connection: sqlite3.Connection, table: str, run_id: str) -> list[dict[str, object]]:
    cursor = connection.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (run_id,))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _changed(row: dict[str, object], run_id: str, values: dict[str, str] | dict[str, float]) -> dict[str, object]:
    changed = {**row, "run_uuid": run_id}
    if row.get("key") in values:
        changed["value"] = values[str(row["key"])]
    return changed


def _seconds(code: str, folder: Path) -> float:
    started = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> int:
    """Print the seconds of each whole process, imports included; exit status 1 above a limit."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder / "mlflow.db", count)
        store = "sqlite:///mlflow.db"
        tradeoff = "from analysis.__main__ import main; assert main(['tradeoff']) == 0"
        start = _seconds("import pandas", folder)
        load = _seconds(f"from analysis.load import points; assert len(points({store!r}).records) == {count}", folder)
        cold = _seconds(tradeoff, folder)
        again = _seconds(tradeoff, folder)
        _log_again(folder / "mlflow.db")
        one_more = _seconds(tradeoff, folder)
        table = f"import mlflow; mlflow.set_tracking_uri({store!r})\n"
        table += f"assert len(mlflow.search_runs(search_all_experiments=True, max_results=50000)) == {count + 1}"
        naive = _seconds(table, folder)
    print(f"{count} points, seconds of the whole process:")
    print(f"  import of pandas alone              {start:6.1f}")
    print(f"  analysis: load, typed               {load:6.1f}")
    print(f"  tradeoff: first time                {cold:6.1f}   (at most {COLD_SECONDS:.0f})")
    print(f"  tradeoff: again                     {again:6.1f}   (at most {AGAIN_SECONDS:.0f}; 1/{cold / again:.1f})")
    print(f"  tradeoff: with one point more       {one_more:6.1f}   (1/{cold / one_more:.1f} of the first time)")
    print(f"  mlflow.search_runs, untyped         {naive:6.1f}   ({naive / again:.1f} x the command again)")
    return int(cold > COLD_SECONDS or again > AGAIN_SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
