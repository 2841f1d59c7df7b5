"""The local copy of finished points: what was read once is not read again. Safe to delete, at any moment.

One SQLite file per tracking store, written in one transaction, so that a kill leaves the copy before it. A copy of
another layout or of other columns, and one that is damaged, is made anew; a row whose checksum differs is read again.
Knows neither how a store is read nor what the columns mean.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.load.uris import sqlite_path
from analysis.runs import Changes, FlatPoint, Known, Stamp
from pruneexp.errors import redact

FOLDER = Path(".pruneexp/analysis")
NOTHING = Known({}, "")
LAYOUT = 1  # of the tables below, and of a row's text
#: How SQLite calls a file that is not, or is no longer, what was written; whatever else it says is of access and locks.
_DAMAGE = ("SQLITE_ERROR", "SQLITE_CORRUPT", "SQLITE_NOTADB")
_TABLES = (
    "CREATE TABLE about (version TEXT, generation INT)",
    "CREATE TABLE states (selection TEXT PRIMARY KEY, state TEXT)",
    "CREATE TABLE points (run_id TEXT PRIMARY KEY, experiment TEXT, ended INT, content TEXT, row TEXT, checksum INT)",
)


@dataclass
class Copy:
    """The copy of one store, as ``opened`` found it; ``remark`` is a sentence where something is wrong with it.

    ``rows`` are the texts of the points by run id. ``generation`` counts the writings; None where there is no copy yet.
    One that is not ``usable`` is left alone.
    """

    path: Path
    version: str
    selection: str
    known: Known = NOTHING
    rows: Mapping[str, str] = field(default_factory=dict)
    generation: int | None = None
    remark: str | None = None
    usable: bool = True

    def points(self, same: Mapping[str, str]) -> Iterator[FlatPoint]:
        """The points of these runs, given with the present names of their experiments."""
        texts = json.loads(f"[{','.join(self.rows[run_id] for run_id in same)}]")  # one call: half the time of one each
        for (run_id, experiment), (started, collapsed, *values) in zip(same.items(), texts, strict=True):
            yield FlatPoint(run_id, experiment, started, tuple(values), collapsed)

    def update(self, changes: Changes, points: Sequence[FlatPoint]) -> None:
        """Keep what was read now: ``points`` are the finished ones among the fresh runs.

        Nothing is written where there is nothing new, or where another process has written since this one read.
        """
        if not self.usable:
            return
        stamps = {run.run_id: stamp for stamp, run in changes.fresh}
        outdated = [(run_id,) for run_id in {*changes.gone, *stamps} if run_id in self.known.runs]
        if not (points or outdated or changes.state != self.known.state):
            return
        try:
            with _connected(self.path) as connection:
                connection.execute("BEGIN IMMEDIATE")
                if not self._mine(connection):
                    return
                connection.executemany("DELETE FROM points WHERE run_id = ?", outdated)
                rows = [_row(stamps[point.run_id], point) for point in points]
                connection.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?, ?)", rows)
                connection.execute("INSERT OR REPLACE INTO states VALUES (?, ?)", (self.selection, changes.state))
                connection.execute("UPDATE about SET generation = generation + 1")
                connection.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            self.remark = f"the local copy {self.path} cannot be written ({error}): all will be read again"

    def read(self) -> None:
        """Raises what SQLite raises for a file that is none of its own, or is damaged."""
        with _connected(self.path) as connection:
            connection.execute("BEGIN")
            version, generation = _about(connection)
            if version != self.version:
                return
            state = connection.execute("SELECT state FROM states WHERE selection = ?", (self.selection,)).fetchone()
            stamps: dict[str, Stamp] = {}
            rows: dict[str, str] = {}
            damaged = 0
            for run_id, *stamp, row, checksum in connection.execute("SELECT * FROM points"):
                if checksum == _checksum(run_id, *stamp, row):
                    stamps[run_id], rows[run_id] = Stamp(*stamp), row
                else:
                    damaged += 1
        self.known, self.rows, self.generation = Known(stamps, state[0] if state else ""), rows, generation
        if damaged:
            self.remark = f"{damaged} of the points in the local copy {self.path} were damaged and are read again"

    def _mine(self, connection: sqlite3.Connection) -> bool:
        """Whether the copy is as it was read; the tables are made where there are none, or those of another version."""
        version, generation = _about(connection)
        if version == self.version:
            return generation == self.generation
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            connection.execute(f"DROP TABLE {table}")
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute("INSERT INTO about VALUES (?, 0)", (self.version,))
        return True


def _about(connection: sqlite3.Connection) -> tuple[str, int | None]:
    """Version and generation; a process killed while it made the first copy leaves a file without tables."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'about'").fetchone():
        return "", None
    version, generation = connection.execute("SELECT version, generation FROM about").fetchone()
    return str(version), int(generation)


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, timeout=5.0, isolation_level=None)) as connection:
        yield connection


def opened(folder: Path, uri: str, experiments: Sequence[str], columns: Sequence[Any]) -> Copy:
    """The copy of the store at ``uri`` in ``folder``, empty where there is none that can be used.

    ``columns`` describe the values of a point: a copy of others is not used.
    """
    path = sqlite_path(uri)
    place = str(path.absolute()) if path is not None else redact(uri)
    name = hashlib.sha256(place.encode()).hexdigest()[:16]  # tells nothing of the place, which can hold names
    version = hashlib.sha256(json.dumps([LAYOUT, *columns]).encode()).hexdigest()
    copy = Copy(folder / f"{name}.sqlite", version, json.dumps(sorted(experiments)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if copy.path.exists():
            copy.read()
    except (OSError, sqlite3.Error, ValueError, TypeError) as error:
        if getattr(error, "sqlite_errorname", "SQLITE_ERROR") not in _DAMAGE or isinstance(error, OSError):
            copy.usable = False
            copy.remark = f"the local copy {copy.path} cannot be used ({error}): all is read again"
            return copy
        copy.remark = f"the local copy {copy.path} was damaged ({error}) and is made anew"
        for leftover in (copy.path, copy.path.with_name(f"{copy.path.name}-journal")):
            with suppress(OSError):
                leftover.unlink()
    return copy


def _row(stamp: Stamp, point: FlatPoint) -> tuple[object, ...]:
    text = json.dumps([point.started, point.collapsed, *point.values], ensure_ascii=False)
    return (point.run_id, *stamp, text, _checksum(point.run_id, *stamp, text))


def _checksum(*parts: object) -> int:
    return zlib.crc32("\0".join(map(str, parts)).encode())
