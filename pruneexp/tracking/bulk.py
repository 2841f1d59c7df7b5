"""Runs of one experiment, read and written by the thousand.

MLflow's client needs 8 ms for each run that it hands out, and three transactions for each that it writes. Where the
store is a database, a few statements on MLflow's own tables do the same; a server is asked through the client. Knows
the shape of runs and not what they mean.
"""

from __future__ import annotations

import math
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pruneexp.tracking.databases import connected, is_database
from pruneexp.tracking.naming import PARAM_LIMIT, TAG_LIMIT, within
from pruneexp.tracking.runs import NewRun, Runs, Value, Where, texts

if TYPE_CHECKING:
    from mlflow.entities import Run
    from sqlalchemy import Select


class StoredRun(NamedTuple):
    """A run as it was read, of a database with the contents asked for; its moments are in milliseconds since 1970."""

    run_id: str
    name: str
    status: str
    started: int
    ended: int
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]


def find(runs: Runs, where: Where, contents: Iterable[str] = ("params", "metrics", "tags")) -> list[StoredRun]:
    """Every active run that meets the conditions; of a database with these ``contents`` only."""
    if not is_database(runs.uri):
        return [_of_client(run) for run in runs.find(where)]
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlParam, SqlRun, SqlTag
    from sqlalchemy import select

    tables: dict[str, Any] = {"params": SqlParam, "metrics": SqlLatestMetric, "tags": SqlTag}
    heads = _heads(runs.experiment_id, where)
    chosen: Select[Any] = heads.with_only_columns(SqlRun.run_uuid)
    with connected(runs.uri) as connection:
        found = {run_id: StoredRun(run_id, name, status, started, ended or 0, {}, {}, {})
                 for run_id, name, status, started, ended in connection.execute(heads)}  # fmt: skip
        for name in contents:
            table = tables[name]
            nan = [table.is_nan] if table is SqlLatestMetric else []
            values = select(table.run_uuid, table.key, table.value, *nan).where(table.run_uuid.in_(chosen))
            for run_id, key, value, *is_nan in connection.execute(values):
                if run_id in found:  # else it was recorded since
                    getattr(found[run_id], name)[key] = math.nan if any(is_nan) else value
    return list(found.values())


def replace(runs: Runs, outdated: Sequence[str], fresh: Sequence[NewRun]) -> None:
    """Delete runs, by id, and write others; a database shows all of it at once or nothing."""
    if not is_database(runs.uri):
        for run_id in outdated:
            runs.client.delete_run(run_id)
        for one in fresh:
            runs.add(one)
        return
    from mlflow.entities import LifecycleStage
    from mlflow.store.tracking.dbmodels.models import SqlRun
    from sqlalchemy import insert, update

    now = int(time.time() * 1000)
    gone = {"lifecycle_stage": LifecycleStage.DELETED, "deleted_time": now}
    with connected(runs.uri) as connection:
        for run_id in outdated:
            connection.execute(update(SqlRun).where(SqlRun.run_uuid == run_id).values(gone))
        for table, rows in _rows(runs, fresh, now).items():
            connection.execute(insert(table), rows)
        connection.commit()


def measure(runs: Runs, numbers: Mapping[str, Sequence[Value]]) -> None:
    """Add metrics to runs, by id, that have none of these names."""
    if not is_database(runs.uri):
        for run_id, values in numbers.items():
            runs.fill(runs.client.get_run(run_id), {}, values, {})
        return
    from sqlalchemy import insert

    now = int(time.time() * 1000)
    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for run_id, values in numbers.items():
        _add_metrics(found, run_id, values, now)
    with connected(runs.uri) as connection:
        for table, rows in found.items():
            connection.execute(insert(table), rows)
        connection.commit()


def _heads(experiment_id: str, where: Where) -> Select[Any]:
    """The query for the first fields of a ``StoredRun``."""
    from mlflow.entities import LifecycleStage
    from mlflow.store.tracking.dbmodels.models import SqlParam, SqlRun, SqlTag
    from sqlalchemy import and_, select
    from sqlalchemy.orm import aliased

    columns: list[Any] = [SqlRun.run_uuid, SqlRun.name, SqlRun.status, SqlRun.start_time, SqlRun.end_time]
    found: Select[Any] = select(*columns).where(
        SqlRun.experiment_id == int(experiment_id), SqlRun.lifecycle_stage == LifecycleStage.ACTIVE
    )
    attributes = {"status": SqlRun.status, "run_id": SqlRun.run_uuid}
    for name, value in where.items():
        place, key = name.split(".", 1)
        if place == "attributes":
            found = found.where(attributes[key] == value)
        else:
            table: Any = aliased(SqlTag if place == "tags" else SqlParam)
            found = found.join(table, and_(table.run_uuid == SqlRun.run_uuid, table.key == key, table.value == value))
    return found


def _rows(runs: Runs, fresh: Sequence[NewRun], now: int) -> dict[Any, list[dict[str, Any]]]:
    """What these runs are in MLflow's tables, as its store writes them."""
    from mlflow.entities import LifecycleStage
    from mlflow.store.tracking.dbmodels.models import SqlParam, SqlRun, SqlTag
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

    artifacts = runs.client.get_experiment(runs.experiment_id).artifact_location.rstrip("/")
    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for place, one in enumerate(fresh, start=1 - len(fresh)):  # views are in the order of beginning
        run_id = uuid.uuid4().hex
        found[SqlRun].append({
            "run_uuid": run_id, "name": one.name, "experiment_id": int(runs.experiment_id), "user_id": "unknown",
            "source_type": "UNKNOWN", "source_name": "", "entry_point_name": "", "source_version": "",
            "status": "FINISHED", "start_time": now + place, "end_time": now, "lifecycle_stage": LifecycleStage.ACTIVE,
            "artifact_uri": f"{artifacts}/{run_id}/artifacts",
        })  # fmt: skip
        tags, params = {**one.tags, MLFLOW_RUN_NAME: one.name}, texts(one.params)
        found[SqlTag] += [
            {"run_uuid": run_id, "key": key, "value": within(text, TAG_LIMIT)} for key, text in tags.items()
        ]
        found[SqlParam] += [
            {"run_uuid": run_id, "key": key, "value": within(text, PARAM_LIMIT)} for key, text in params.items()
        ]
        _add_metrics(found, run_id, one.values, now)
    return found


def _add_metrics(rows: dict[Any, list[dict[str, Any]]], run_id: str, values: Sequence[Value], now: int) -> None:
    """Add what the values of a run are in MLflow's tables to the rows of these."""
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric

    last = {value.name: value for value in sorted(values, key=lambda value: value.step)}
    for table, ordered in ((SqlMetric, dict.fromkeys(values)), (SqlLatestMetric, last.values())):
        rows[table] += [
            {"run_uuid": run_id, "key": key, "value": number, "step": step, "timestamp": now, "is_nan": False}
            for key, number, step, _ in ordered
        ]


def _of_client(run: Run) -> StoredRun:
    data, info = run.data, run.info
    return StoredRun(
        info.run_id, info.run_name or "", info.status, info.start_time, info.end_time or 0,
        data.params, data.metrics, data.tags,
    )  # fmt: skip
