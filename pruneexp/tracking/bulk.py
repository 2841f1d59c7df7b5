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
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pruneexp.errors import redact
from pruneexp.tracking.databases import connected, is_database
from pruneexp.tracking.naming import PARAM_LIMIT, TAG_LIMIT, legal_key, within
from pruneexp.tracking.runs import NewRun, Runs, Value, Where, texts

if TYPE_CHECKING:
    from mlflow.entities import Run
    from sqlalchemy import Select


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


def replace(runs: Runs, outdated: Sequence[str], fresh: Sequence[NewRun], began: int | None = None) -> list[str]:
    """Delete runs, by id, and write others, whole; their ids. A database shows all of it at once or nothing.

    They begin one after the other, because views are in that order: the first where ``began`` says, in milliseconds
    since 1970, by default so that the last begins now.
    """
    if not is_database(runs.uri):
        for run_id in outdated:
            runs.client.delete_run(run_id)
        return [str(runs.add(one, began).info.run_id) for one in fresh]
    from mlflow.entities import LifecycleStage
    from mlflow.store.tracking.dbmodels.models import SqlRun
    from sqlalchemy import insert, update

    now, ids = int(time.time() * 1000), [uuid.uuid4().hex for _ in fresh]
    first = now - len(fresh) + 1 if began is None else began
    rows: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for begins, (run_id, one) in enumerate(zip(ids, fresh, strict=True), start=first):
        runs.write(_folder(runs, run_id), one.files)
        _add_rows(rows, runs, run_id, one, begins, max(begins, now))
    gone = {"lifecycle_stage": LifecycleStage.DELETED, "deleted_time": now}
    with connected(runs.uri) as connection:
        for run_id in outdated:
            connection.execute(update(SqlRun).where(SqlRun.run_uuid == run_id).values(gone))
        for table, values in rows.items():
            if values:
                connection.execute(insert(table), values)
        connection.commit()
    return ids


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


def _add_rows(
    rows: dict[Any, list[dict[str, Any]]], runs: Runs, run_id: str, one: NewRun, began: int, ended: int
) -> None:
    """Add what a run is in MLflow's tables, as its store writes them; its numbers are of the moment it ``began``."""
    from mlflow.entities import LifecycleStage
    from mlflow.store.tracking.dbmodels.models import SqlParam, SqlRun, SqlTag
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

    rows[SqlRun].append({
        "run_uuid": run_id, "name": one.name, "experiment_id": int(runs.experiment_id), "user_id": "unknown",
        "source_type": "UNKNOWN", "source_name": "", "entry_point_name": "", "source_version": "",
        "status": one.status, "start_time": began, "end_time": ended, "lifecycle_stage": LifecycleStage.ACTIVE,
        "artifact_uri": _folder(runs, run_id),
    })  # fmt: skip
    tags, params = {**one.tags, MLFLOW_RUN_NAME: one.name}, texts(one.params)
    rows[SqlTag] += [
        {"run_uuid": run_id, "key": legal_key(key), "value": within(redact(str(text)), TAG_LIMIT)}
        for key, text in tags.items()
    ]
    rows[SqlParam] += [
        {"run_uuid": run_id, "key": legal_key(key), "value": within(text, PARAM_LIMIT)} for key, text in params.items()
    ]
    _add_metrics(rows, run_id, one.values, began)


def _folder(runs: Runs, run_id: str) -> str:
    """Where the files of a run lie, as MLflow says it."""
    return f"{runs.artifacts}/{run_id}/artifacts"


def _add_metrics(rows: dict[Any, list[dict[str, Any]]], run_id: str, values: Sequence[Value], at: int) -> None:
    """Add what the values of a run are in MLflow's tables to the rows of these."""
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric

    last = {value.name: value for value in sorted(values, key=lambda value: value.step)}
    for table, ordered in ((SqlMetric, dict.fromkeys(values)), (SqlLatestMetric, last.values())):
        rows[table] += [
            {
                "run_uuid": run_id, "key": legal_key(name), "value": _finite(number), "step": step,
                "timestamp": at, "is_nan": math.isnan(number),
            }
            for name, number, step in ordered
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
