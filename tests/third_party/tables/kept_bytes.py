"""Bytes of each pruned network, as a table of a third party."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from analysis.publishing.sheet import Cell, TableSheet


class StoredBytes(NamedTuple):
    density: float
    bytes_sparse: int
    runs: str


class BytesTable(NamedTuple):
    stored: tuple[StoredBytes, ...]


def data(frame: pd.DataFrame) -> BytesTable:
    found = frame[["density", "bytes_sparse", "run_id"]].sort_values("density").itertuples(index=False)
    return BytesTable(tuple(StoredBytes(*row) for row in found))


def rows(made: BytesTable) -> Iterator[StoredBytes]:
    yield from made.stored


def sheet(made: BytesTable) -> TableSheet:
    lines = tuple((Cell(f"{one.density:.2f}"), Cell(f"{one.bytes_sparse:,}")) for one in made.stored)
    return TableSheet("Bytes stored", ("density", "bytes"), "rr", lines)
