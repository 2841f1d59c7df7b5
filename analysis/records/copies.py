"""The local copy of finished points: what was read once is not read again. It is safe to delete at any moment.

Beside the Parquet files of curves it spares 800 requests for as many of them, and holds the points of curves without a
file. It is one more such file, for all points of a tracking store. It is written whole or not at all; of two readers at
once the last one's stays, which is no less true.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.records.runs import PointsFile
from analysis.records.uris import sqlite_path
from pruneexp.errors import redact


def place(folder: Path, uri: str) -> Path:
    """Where the copy of the store at ``uri`` lies in ``folder``."""
    path = sqlite_path(uri)
    store = str(path.absolute()) if path is not None else redact(uri)
    return folder / f"{hashlib.sha256(store.encode()).hexdigest()[:16]}.points"  # a place can hold names of people


def files(path: Path | None) -> list[PointsFile]:
    """The copy, if there is one."""
    try:
        return [] if path is None else [PointsFile(str(path), path.read_bytes())]
    except FileNotFoundError:
        return []
    except OSError as error:
        return [PointsFile(str(path), error)]


def write(path: Path, rows: pa.Table) -> str:
    """Keep stamped points (``parquet.stamped``); the answer is a sentence where that cannot be, else empty."""
    half = path.with_name(f".{path.name}.{os.getpid()}.{id(rows)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, half, compression="lz4", use_dictionary=False, write_page_checksum=True)
        half.replace(path)
    except OSError as error:
        with suppress(OSError):
            half.unlink()
        return f"the local copy {path} cannot be written ({error}): all will be read again"
    return ""
