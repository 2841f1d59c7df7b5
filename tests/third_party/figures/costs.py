"""Multiply-accumulates at 8 bit against density: draws a cost that another file of this folder defines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from pruneexp.errors import UserError


class CostMark(NamedTuple):
    density: float
    macs: float
    runs: str


class CostMarks(NamedTuple):
    marks: tuple[CostMark, ...]


def data(frame: pd.DataFrame) -> CostMarks:
    if "cost.mac8" not in frame:
        raise UserError("no point has the cost mac8")
    chosen = frame.dropna(subset=["cost.mac8"]).sort_values("density")
    found = zip(chosen["density"], chosen["cost.mac8"], chosen["run_id"], strict=True)
    return CostMarks(tuple(CostMark(*row) for row in found))


def rows(made: CostMarks) -> Iterator[CostMark]:
    yield from made.marks


def draw(made: CostMarks) -> Figure:
    figure = Figure()
    figure.subplots().plot([mark.density for mark in made.marks], [mark.macs for mark in made.marks])
    return figure


def caption(made: CostMarks) -> str:
    return "Multiply-accumulates of 8 by 8 bits."
