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
from typing import NamedTuple

from analysis.records import artefacts
from analysis.records.artefacts import Carrier
from analysis.records.runs import PARENT, Changes, Known, PointsFile, RawRun, RunKind, Stamp, TrackingStore
from analysis.records.uris import local_folder
from pruneexp.errors import UserError
from pruneexp.schema import KIND

NEEDED = {
    "experiments": {"experiment_id", "name", "lifecycle_stage"},
    "runs": {"run_uuid", "experiment_id", "status", "start_time", "end_time", "lifecycle_stage", "artifact_uri"},
    "params": {"run_uuid", "key", "value"},
    "latest_metrics": {"run_uuid", "key", "value", "is_nan", "timestamp"},
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
#: All that MLflow lets be changed in a finished run: it adds params, and writes tags and metrics again.
_CONTENTS = (
    "SELECT run_uuid, count(*), total(value), max(timestamp), total(is_nan) FROM latest_metrics GROUP BY run_uuid",
    "SELECT run_uuid, count(*) FROM params GROUP BY run_uuid",
    "SELECT run_uuid, key, value FROM tags WHERE key LIKE 'pruneexp.%' ORDER BY key",
)


class _Head(NamedTuple):
    """A run without its contents."""

    run_id: str
    experiment_id: str
    experiment: str
    status: str
    started: int
    ended: int


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
            return _filled(connection, _heads(connection, kind, experiments))

    def tagged(self, tag: str, kind: RunKind, experiments: Sequence[str]) -> Mapping[str, str]:
        with self._open() as connection:
            runs = json.dumps([head.run_id for head in _heads(connection, kind, experiments)])
            return {str(run_id): str(value) for run_id, value in connection.execute(_TAGGED, (tag, runs))}

    def changes(self, kind: RunKind, experiments: Sequence[str], known: Known) -> Changes:
        """Looks at what is in the known runs only where the file is not as it was, and then in sums."""
        state = self._state()  # before the snapshot: what is written meanwhile makes the next state another one
        with self._open() as connection:
            heads = _heads(connection, kind, experiments)
            looked_at = state != known.state and any(stamp.content for stamp in known.runs.values())
            current = _contents(connection) if looked_at else {}
            same = {head.run_id: head.experiment for head in heads
                    if _is_same(head, known.runs.get(head.run_id), current if looked_at else None)}  # fmt: skip
            others = [head for head in heads if head.run_id not in same]
            if others and not current:
                current = _contents(connection)
            stamps = [Stamp(head.experiment_id, head.ended, current.get(head.run_id, "")) for head in others]
            fresh = list(zip(stamps, _filled(connection, others), strict=True))
            gone = _lying_in(connection, experiments, known) - {head.run_id for head in heads}
            return Changes(same, fresh, gone, state)

    def points_files(self, experiments: Sequence[str], known: Known) -> Iterator[PointsFile]:
        """Those that lie here: what lies elsewhere takes longer to fetch than the tables to read."""
        if known.state == self._state():
            return
        with self._open() as connection:
            carriers = connection.execute(_CARRIERS, (json.dumps(list(experiments)),)).fetchall()
        last = known.last_ended()
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

    def _state(self) -> str:
        """Differs after every write: SQLite counts the changes in the file's header, or appends to its log."""
        try:
            with self.path.open("rb") as file:
                header = file.read(100)
            stats = [self.path.stat()]
            log = self.path.with_name(self.path.name + "-wal")
            stats += [log.stat()] if log.exists() else []
        except OSError as error:
            raise UserError(f"{self.path} cannot be read as an MLflow store: {error}.") from error
        return json.dumps([header.hex(), [(stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats]])

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


def _heads(connection: sqlite3.Connection, kind: RunKind, experiments: Sequence[str]) -> list[_Head]:
    rows = connection.execute(_HEADS, (kind, json.dumps(list(experiments))))
    return [
        _Head(run, str(number), name, status, started or 0, ended or 0)
        for run, number, name, status, started, ended in rows
    ]


def _is_same(head: _Head, before: Stamp | None, contents: Mapping[str, str] | None) -> bool:
    """Whether a run is as it was known; ``contents`` are absent where nothing was written since."""
    if before is None or (head.status, head.experiment_id, head.ended) != ("FINISHED", before.experiment, before.ended):
        return False
    return contents is None or before.content in ("", contents.get(head.run_id))


def _lying_in(connection: sqlite3.Connection, experiments: Sequence[str], known: Known) -> set[str]:
    query = "SELECT experiment_id FROM experiments WHERE name IN (SELECT value FROM json_each(?))"
    numbers = {str(number) for (number,) in connection.execute(query, (json.dumps(list(experiments)),))}
    return {run_id for run_id, stamp in known.runs.items() if stamp.experiment in numbers}


def _filled(connection: sqlite3.Connection, heads: Sequence[_Head]) -> list[RawRun]:
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
        RawRun(head.run_id, head.experiment, head.status, head.started, *contents)
        for head in heads
        for contents in [(params[head.run_id], metrics[head.run_id], tags[head.run_id])]
    ]


def _contents(connection: sqlite3.Connection) -> Mapping[str, str]:
    """For every run a text that changes with what is in it."""
    found: dict[str, list[object]] = {}
    for query in _CONTENTS:
        rows: Iterable[Sequence[object]] = connection.execute(query)
        for run_id, *told in rows:
            found.setdefault(str(run_id), []).extend(told)
    return {run_id: repr(told) for run_id, told in found.items()}
