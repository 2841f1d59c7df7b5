"""The local copy of finished points: what was read once is not read again. It is safe to delete at any moment.

Beside the Parquet files it spares 800 requests for as many curves, and holds the points of curves without a file.
One file per tracking store: a checksum, then an Arrow table with a row for each point and what the store told of its
run. It is written whole or not at all; of two readers at once the last one's stays, which is no less true. A copy of
other columns, and one that is damaged, is made anew. Knows neither how a store is read nor what the columns mean, but
for those of metrics.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.records.runs import Changes, Known, Stamp
from analysis.records.uris import sqlite_path
from pruneexp.errors import redact
from pruneexp.schema.columns import joined, other_numbers, with_numbers

NOTHING = Known({}, "")
LAYOUT = 2  # of the file, but for the columns
#: The stamps of the runs, under names that no value of a point has.
STAMPS = (("stamp/experiment", pa.string()), ("stamp/ended", pa.int64()), ("stamp/content", pa.string()))
_CHECKSUM = hashlib.sha256().digest_size
_ABOUT = b"pruneexp"


@dataclass
class Copy:
    """The copy of one store, as ``opened`` found it; ``remark`` is a sentence where something is wrong with it.

    ``rows`` are the points, their stamps beside them. ``states`` are those of the whole store by the ``selection`` of
    experiments that was read. A copy that is not ``usable`` is left alone, and used for this reading only.
    """

    path: Path
    schema: pa.Schema
    selection: str
    rows: pa.Table
    states: dict[str, str] = field(default_factory=dict)
    known: Known = NOTHING
    remark: str | None = None
    usable: bool = True
    learned: int = 0

    def learn(self, rows: pa.Table) -> None:
        """Take over points, with the stamps of their runs, that are not known yet."""
        unknown = rows.filter(pc.invert(pc.is_in(rows["run_id"], value_set=self.rows["run_id"].combine_chunks())))
        self.rows = joined([self.rows, unknown]).combine_chunks()
        self.known = Known({**self.known.runs, **_stamps(unknown)}, self.known.state)
        self.learned += len(unknown)

    def points(self, same: Mapping[str, str]) -> pa.Table:
        """The points of these runs, given with the present names of their experiments."""
        found = self._only(same).drop_columns([name for name, _ in STAMPS])
        names = pa.array([same[run_id] for run_id in found["run_id"].to_pylist()], pa.string())
        return found.set_column(found.schema.get_field_index("experiment"), "experiment", names)

    def update(self, changes: Changes, points: pa.Table) -> None:
        """Keep what was read now: ``points`` are the finished ones among the fresh runs."""
        stamps = {run.run_id: stamp for stamp, run in changes.fresh}
        outdated = {run_id for run_id in {*changes.gone, *stamps} if run_id in self.known.runs}
        if not self.usable or not (len(points) or outdated or self.learned or changes.state != self.known.state):
            return
        beside = zip(*(stamps[run_id] for run_id in points["run_id"].to_pylist()), strict=True)
        fresh = points
        for (name, kind), values in zip(STAMPS, list(beside) or [()] * len(STAMPS), strict=True):
            fresh = fresh.append_column(name, pa.array(values, kind))
        rows = joined([self._only(self.known.runs.keys() - outdated), fresh])
        states = {**self.states, self.selection: changes.state}
        half = self.path.with_name(f".{self.path.name}.{os.getpid()}.{id(self)}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            half.write_bytes(_packed(rows, {"layout": LAYOUT, "states": states}))
            half.replace(self.path)
        except OSError as error:
            self.remark = f"the local copy {self.path} cannot be written ({error}): all will be read again"
            with suppress(OSError):
                half.unlink()

    def read(self) -> None:
        """Raises ``OSError`` for a file that cannot be read, ``ValueError`` for one that is damaged."""
        rows, about = _unpacked(self.path.read_bytes())
        if about["layout"] != LAYOUT or not self._fits(rows.schema):
            return
        self.rows, self.states = rows.replace_schema_metadata(), about["states"]
        self.known = Known(_stamps(rows), self.states.get(self.selection, ""))

    def _fits(self, found: pa.Schema) -> bool:
        """Whether a copy has these columns, and beyond them none but those of further metrics."""
        needed = self.rows.schema
        same = [field for field in found if field.name in needed.names]
        others = [field for field in found if field.name not in needed.names]
        return pa.schema(same) == needed and others == list(with_numbers(pa.schema([]), other_numbers(found.names)))

    def _only(self, runs: Mapping[str, object] | set[str]) -> pa.Table:
        return self.rows.filter(pc.is_in(self.rows["run_id"], value_set=pa.array(runs, pa.string())))


def opened(folder: Path | None, uri: str, experiments: Sequence[str], schema: pa.Schema) -> Copy:
    """The copy of the store at ``uri`` in ``folder``, empty where there is none that can be used.

    ``schema`` is that of a table of points: a copy of others is not used. Without a folder nothing is kept.
    """
    path = sqlite_path(uri)
    place = str(path.absolute()) if path is not None else redact(uri)
    name = hashlib.sha256(place.encode()).hexdigest()[:16]  # tells nothing of the place, which can hold names
    empty = pa.schema([*schema, *STAMPS]).empty_table()
    copy = Copy((folder or Path()) / f"{name}.points", schema, json.dumps(sorted(experiments)), empty)
    if folder is None:
        copy.usable = False
        return copy
    try:
        copy.read()
    except FileNotFoundError:
        pass  # nothing was read yet
    except OSError as error:
        copy.usable = False
        copy.remark = f"the local copy {copy.path} cannot be used ({error}): all is read again"
    except ValueError as error:
        copy.remark = f"the local copy {copy.path} was damaged ({error}) and is made anew"
        with suppress(OSError):
            copy.path.unlink()
    return copy


def _stamps(rows: pa.Table) -> dict[str, Stamp]:
    columns = (rows[name].to_pylist() for name in ("run_id", *(name for name, _ in STAMPS)))
    return {run_id: Stamp(*stamp) for run_id, *stamp in zip(*columns, strict=True)}


def _packed(rows: pa.Table, about: Mapping[str, object]) -> bytes:
    sink = pa.BufferOutputStream()
    described = rows.replace_schema_metadata({_ABOUT: json.dumps(about)})
    with pa.ipc.new_stream(sink, described.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(described)
    content: bytes = sink.getvalue().to_pybytes()
    return hashlib.sha256(content).digest() + content


def _unpacked(data: bytes) -> tuple[pa.Table, dict[str, Any]]:
    """Raises ``ValueError`` where it is not what ``_packed`` made."""
    content = memoryview(data)[_CHECKSUM:]
    if hashlib.sha256(content).digest() != data[:_CHECKSUM]:
        raise ValueError("its checksum differs")
    with pa.ipc.open_stream(pa.py_buffer(content)) as reader:
        rows = reader.read_all()
    return rows, json.loads(rows.schema.metadata[_ABOUT])
