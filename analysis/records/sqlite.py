"""Reads runs straight from an MLflow SQLite file, which it opens read-only and never creates or migrates.

Why beside MLflow's own client: 5,000 points take the client's object mapper 17 s of CPU time and these queries 1.5 s.
Knows the five MLflow tables it reads and not MLflow itself; a file that has them otherwise is left to the client.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from analysis.records import artefacts
from analysis.records.artefacts import Carrier
from analysis.records.runs import PARENT, Changes, Known, PointsFile, RawRun, RunKind, Stamp, TrackingStore, last_ended
from analysis.records.uris import local_folder
from pruneexp.errors import UserError
from pruneexp.schema import KIND

NEEDED = {
    "experiments": {"experiment_id", "name", "lifecycle_stage"},
    "runs": {"run_uuid", "experiment_id", "status", "start_time", "end_time", "lifecycle_stage", "artifact_uri"},
    "params": {"run_uuid", "key", "value"},
    "latest_metrics": {"run_uuid", "key", "value", "is_nan"},
    "tags": {"run_uuid", "key", "value"},
}
_HEADS = f"""
    SELECT runs.run_uuid, experiments.experiment_id, experiments.name, runs.status, runs.start_time, runs.end_time
    FROM runs JOIN experiments USING (experiment_id)
    JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = '{KIND}' AND tags.value = ?
    WHERE runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active'
      AND experiments.name IN (SELECT value FROM json_each(?))
    ORDER BY runs.run_uuid
"""  # constants of ours only; the kind and the experiments' names are bound
_CARRIERS = f"""
    SELECT runs.run_uuid, runs.artifact_uri, experiments.experiment_id, runs.end_time
    FROM runs JOIN experiments USING (experiment_id)
    JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = '{KIND}' AND tags.value IN ('curve', 'study')
    WHERE runs.lifecycle_stage = 'active' AND experiments.name IN (SELECT value FROM json_each(?))
    ORDER BY runs.run_uuid
"""
_CARRIER_OVER = f"""
    SELECT runs.run_uuid, runs.artifact_uri FROM tags JOIN runs ON runs.run_uuid = tags.value
    WHERE tags.run_uuid = ? AND tags.key = '{PARENT}'
"""
_TAGGED = """
    SELECT tags.run_uuid, tags.value FROM tags
    WHERE tags.key = ? AND tags.run_uuid IN (SELECT value FROM json_each(?))
"""
_VALUES = "SELECT run_uuid, key, {value} FROM {table} WHERE run_uuid IN (SELECT value FROM json_each(?))"
_COURSE = "SELECT step, value FROM metrics WHERE run_uuid = ? AND key = ? AND NOT is_nan ORDER BY step, timestamp"
_NUMBER = "CASE WHEN is_nan THEN NULL ELSE value END"


@dataclass(frozen=True)
class SqliteStore:
    """An MLflow tracking store in one SQLite file; ``client`` opens it for what lies on another machine."""

    path: Path
    client: Callable[[], TrackingStore]

    def experiments(self) -> Mapping[str, str]:
        query = "SELECT name, experiment_id FROM experiments WHERE lifecycle_stage = 'active' ORDER BY name"
        with self._open() as connection:
            return {str(name): str(number) for name, number in connection.execute(query)}

    def runs(self, kind: RunKind, experiments: Sequence[str]) -> Sequence[RawRun]:
        with self._open() as connection:
            return _filled(connection, [run for _, run in _heads(connection, kind, experiments)])

    def tagged(self, tag: str, kind: RunKind, experiments: Sequence[str]) -> Mapping[str, str]:
        with self._open() as connection:
            runs = json.dumps([run.run_id for _, run in _heads(connection, kind, experiments)])
            return {str(run_id): str(value) for run_id, value in connection.execute(_TAGGED, (tag, runs))}

    def changes(self, kind: RunKind, experiments: Sequence[str], known: Known) -> Changes:
        with self._open() as connection:
            heads = _heads(connection, kind, experiments)
            same = {run.run_id for stamp, run in heads if run.status == "FINISHED" and known.get(run.run_id) == stamp}
            stamps = [stamp for stamp, run in heads if run.run_id not in same]
            others = _filled(connection, [run for _, run in heads if run.run_id not in same])
            return Changes(same, list(zip(stamps, others, strict=True)))

    def points_files(self, experiments: Sequence[str], known: Known) -> Iterator[PointsFile]:
        """Those that lie here: what lies elsewhere takes longer to fetch than the tables to read."""
        with self._open() as connection:
            carriers = connection.execute(_CARRIERS, (json.dumps(list(experiments)),)).fetchall()
        last = last_ended(known)
        for run_id, folder, experiment, ended in carriers:
            if ended is None or ended > last.get(str(experiment), 0):
                yield from artefacts.local_files(Carrier(run_id, folder or ""))

    def points_files_over(self, run_id: str) -> Iterable[PointsFile]:
        with self._open() as connection:
            found = connection.execute(_CARRIER_OVER, (run_id,)).fetchone()
        if found is None or local_folder(found[1] or "") is None:
            return () if found is None else self.client().points_files_over(run_id)
        return artefacts.local_files(Carrier(*found))

    def artefact(self, run_id: str, name: str) -> str:
        with self._open() as connection:
            found = connection.execute("SELECT artifact_uri FROM runs WHERE run_uuid = ?", (run_id,)).fetchone()
        if found is None:
            raise FileNotFoundError(f"there is no run {run_id}")
        folder = local_folder(found[0] or "")
        if folder is None:
            return self.client().artefact(run_id, name)
        return (folder / name).read_text(encoding="utf-8")

    def course(self, run_id: str, name: str) -> Mapping[int, float]:
        with self._open() as connection:
            return {int(step): float(value) for step, value in connection.execute(_COURSE, (run_id, name))}

    def familiar(self) -> bool:
        """Whether the file has MLflow's tables with the columns read here.

        Raises:
            UserError: the file is no SQLite database, or one of something else than MLflow.
        """
        with self._open() as connection:
            columns = {table: {row[1] for row in connection.execute(f"PRAGMA table_info({table})")} for table in NEEDED}
        if not (columns["experiments"] and columns["runs"]):
            raise UserError(f"{self.path} is not an MLflow store: it has no tables of experiments and runs.")
        return all(needed <= columns[table] for table, needed in NEEDED.items())

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._connected("ro")) as connection:
                connection.execute("BEGIN")  # one snapshot for all queries, while other processes log
                yield connection
        except sqlite3.Error as error:
            raise UserError(f"{self.path} cannot be read as an MLflow store: {error}.") from error

    def _connected(self, mode: str) -> sqlite3.Connection:
        """A writer that was killed leaves half a write, which only a connection that may write can take back."""
        connection = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode={mode}", uri=True, timeout=20.0)
        try:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            if mode == "rw" or error.sqlite_errorname != "SQLITE_READONLY_ROLLBACK":
                raise
            self._connected("rw").close()
            return self._connected("ro")
        return connection


def _heads(connection: sqlite3.Connection, kind: RunKind, experiments: Sequence[str]) -> list[tuple[Stamp, RawRun]]:
    """The runs without their contents."""
    rows = connection.execute(_HEADS, (kind, json.dumps(list(experiments))))
    return [
        (Stamp(str(number), ended or 0), RawRun(run, name, status, started or 0, {}, {}, {}))
        for run, number, name, status, started, ended in rows
    ]


def _filled(connection: sqlite3.Connection, heads: Sequence[RawRun]) -> list[RawRun]:
    asked = (json.dumps([head.run_id for head in heads]),)
    params: dict[str, dict[str, str]] = {head.run_id: {} for head in heads}
    metrics: dict[str, dict[str, float]] = {run_id: {} for run_id in params}
    tags: dict[str, dict[str, str]] = {run_id: {} for run_id in params}
    for run_id, key, value in connection.execute(_VALUES.format(value="value", table="params"), asked):
        params[run_id][key] = value
    for run_id, key, value in connection.execute(_VALUES.format(value="value", table="tags"), asked):
        tags[run_id][key] = value
    for run_id, key, value in connection.execute(_VALUES.format(value=_NUMBER, table="latest_metrics"), asked):
        metrics[run_id][key] = math.nan if value is None else value
    return [
        head._replace(params=params[head.run_id], metrics=metrics[head.run_id], tags=tags[head.run_id])
        for head in heads
    ]
