"""Weights kept at each budget, one line per network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import pandas as pd
from matplotlib.figure import Figure


class Kept(NamedTuple):
    budget: float
    weights: int
    runs: str


class KeptByBudget(NamedTuple):
    network: str
    kept: tuple[Kept, ...]


def data(frame: pd.DataFrame, *, least: Annotated[float, "the smallest density that is drawn"] = 0.0) -> KeptByBudget:
    chosen = frame[frame["density"] >= least].sort_values("density")
    found = zip(chosen["density"], chosen["weights_kept"], chosen["run_id"], strict=True)
    return KeptByBudget(frame["model"].iloc[0], tuple(Kept(*row) for row in found))


def rows(made: KeptByBudget) -> Iterator[Kept]:
    yield from made.kept


def draw(made: KeptByBudget) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([one.budget for one in made.kept], [one.weights for one in made.kept])
    return figure


def caption(made: KeptByBudget) -> str:
    return f"Weights that {made.network} keeps."
