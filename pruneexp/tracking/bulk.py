"""Runs of one experiment, read and written by the thousand.

MLflow's client needs 8 ms for each run that it hands out, and three transactions for each that it writes. Where the
store is a database, a few statements on MLflow's own tables do the same; a server is asked through the client. Knows
the shape of runs and not what they mean.
"""

from __future__ import annotations

import math
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pruneexp.errors import redact
from pruneexp.tracking.databases import connected, is_database
from pruneexp.tracking.naming import PARAM_LIMIT, TAG_LIMIT, legal_key, within
from pruneexp.tracking.runs import NewRun, Runs, Value, Where, texts

if TYPE_CHECKING:
    from mlflow.entities import Run
    from sqlalchemy import Connection, Select


class StoredRun(NamedTuple):
    """A run as it was read, of a database with the contents asked for; its moments are in milliseconds since 1970.

    ``active`` is one that nobody has deleted.
    """

    run_id: str
    name: str
    status: str
    started: int
    ended: int
    active: bool
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]


def find(
    runs: Runs, where: Where, contents: Iterable[str] = ("params", "metrics", "tags"), *, deleted: bool = False
) -> list[StoredRun]:
    """Every run that meets the conditions, whether ``deleted`` ones too; of a database with these ``contents`` only."""
    if not is_database(runs.uri):
        return [_of_client(run) for run in runs.find(where, "all" if deleted else "active_only")]
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlParam, SqlRun, SqlTag
    from sqlalchemy import select

    tables: dict[str, Any] = {"params": SqlParam, "metrics": SqlLatestMetric, "tags": SqlTag}
    heads = _heads(runs.experiment_id, where, deleted)
    chosen: Select[Any] = heads.with_only_columns(SqlRun.run_uuid)
    with connected(runs.uri) as connection:
        found = {run_id: StoredRun(run_id, name, status, started, ended or 0, stage == "active", {}, {}, {})
                 for run_id, name, status, started, ended, stage in connection.execute(heads)}  # fmt: skip
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
    from sqlalchemy import update

    now = int(time.time() * 1000)
    gone = {"lifecycle_stage": LifecycleStage.DELETED, "deleted_time": now}
    with connected(runs.uri) as connection:
        for run_id in outdated:
            connection.execute(update(SqlRun).where(SqlRun.run_uuid == run_id).values(gone))
        ids = [uuid.uuid4().hex for _ in fresh]
        _insert(connection, _rows(runs, fresh, ids, now))
        connection.commit()


def add(runs: Runs, new: NewRun, began: int | None = None) -> str:
    """Write one run, whole; its id. It ``began`` in milliseconds since 1970, by default now.

    MLflow's client takes three transactions and as many looks at the run; here a database is asked for one.
    """
    if not is_database(runs.uri):
        return str(runs.add(new, began).info.run_id)
    run_id, now = uuid.uuid4().hex, int(time.time() * 1000)
    start = now if began is None else began
    runs.write(_folder(runs, run_id), new.files)
    rows = _rows_of(runs, new, run_id, start, max(start, now), start)
    with connected(runs.uri) as connection:
        _insert(connection, rows)
        connection.commit()
    return run_id


def _heads(experiment_id: str, where: Where, deleted: bool) -> Select[Any]:
    """The query for the first fields of a ``StoredRun``; whether of ``deleted`` ones too."""
    from mlflow.entities import LifecycleStage
    from mlflow.store.tracking.dbmodels.models import SqlParam, SqlRun, SqlTag
    from sqlalchemy import and_, select
    from sqlalchemy.orm import aliased

    moments = (SqlRun.start_time, SqlRun.end_time)
    columns: list[Any] = [SqlRun.run_uuid, SqlRun.name, SqlRun.status, *moments, SqlRun.lifecycle_stage]
    found: Select[Any] = select(*columns).where(SqlRun.experiment_id == int(experiment_id))
    found = found if deleted else found.where(SqlRun.lifecycle_stage == LifecycleStage.ACTIVE)
    attributes = {"status": SqlRun.status, "run_id": SqlRun.run_uuid}
    for name, value in where.items():
        place, key = name.split(".", 1)
        if place == "attributes":
            found = found.where(attributes[key] == value)
        else:
            table: Any = aliased(SqlTag if place == "tags" else SqlParam)
            found = found.join(table, and_(table.run_uuid == SqlRun.run_uuid, table.key == key, table.value == value))
    return found


def _rows(runs: Runs, fresh: Sequence[NewRun], ids: Sequence[str], now: int) -> dict[Any, list[dict[str, Any]]]:
    """What these runs are in MLflow's tables; they begin one after the other, because views are in that order."""
    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for place, (run_id, one) in enumerate(zip(ids, fresh, strict=True), start=1 - len(fresh)):
        for table, rows in _rows_of(runs, one, run_id, now + place, now, now).items():
            found[table] += rows
    return found


def _rows_of(runs: Runs, one: NewRun, run_id: str, began: int, ended: int, at: int) -> dict[Any, list[dict[str, Any]]]:
    """What a run is in MLflow's tables, as its store writes them; its numbers are of the moment ``at``."""
    from mlflow.entities import LifecycleStage
    from mlflow.store.tracking.dbmodels.models import SqlParam, SqlRun, SqlTag
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

    found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    found[SqlRun].append({
        "run_uuid": run_id, "name": one.name, "experiment_id": int(runs.experiment_id), "user_id": "unknown",
        "source_type": "UNKNOWN", "source_name": "", "entry_point_name": "", "source_version": "",
        "status": one.status, "start_time": began, "end_time": ended, "lifecycle_stage": LifecycleStage.ACTIVE,
        "artifact_uri": _folder(runs, run_id),
    })  # fmt: skip
    tags, params = {**one.tags, MLFLOW_RUN_NAME: one.name}, texts(one.params)
    found[SqlTag] += [
        {"run_uuid": run_id, "key": legal_key(key), "value": within(redact(str(text)), TAG_LIMIT)}
        for key, text in tags.items()
    ]
    found[SqlParam] += [
        {"run_uuid": run_id, "key": legal_key(key), "value": within(text, PARAM_LIMIT)} for key, text in params.items()
    ]
    _add_metrics(found, run_id, one.values, at)
    return found


def _folder(runs: Runs, run_id: str) -> str:
    """Where the files of a run lie, as MLflow says it."""
    return f"{runs.artifacts}/{run_id}/artifacts"


def _insert(connection: Connection, rows: Mapping[Any, list[dict[str, Any]]]) -> None:
    """Add rows, by table."""
    from sqlalchemy import insert

    for table, values in rows.items():
        if values:
            connection.execute(insert(table), values)


def _add_metrics(rows: dict[Any, list[dict[str, Any]]], run_id: str, values: Sequence[Value], now: int) -> None:
    """Add what the values of a run are in MLflow's tables to the rows of these."""
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric

    last = {value.name: value for value in sorted(values, key=lambda value: value.step)}
    for table, ordered in ((SqlMetric, dict.fromkeys(values)), (SqlLatestMetric, last.values())):
        rows[table] += [
            {
                "run_uuid": run_id, "key": legal_key(name), "value": _finite(number), "step": step,
                "timestamp": now if at is None else at, "is_nan": math.isnan(number),
            }
            for name, number, step, at in ordered
        ]  # fmt: skip


def _finite(number: float) -> float:
    """As MLflow stores it: 0 for what is no number, the largest one for an infinite one."""
    if math.isnan(number):
        return 0.0
    return math.copysign(sys.float_info.max, number) if math.isinf(number) else float(number)


def _of_client(run: Run) -> StoredRun:
    data, info = run.data, run.info
    return StoredRun(
        info.run_id, info.run_name or "", info.status, info.start_time, info.end_time or 0,
        info.lifecycle_stage == "active", data.params, data.metrics, data.tags,
    )  # fmt: skip
