"""One budget of one curve, over its seeds: what publications that look into networks are of.

Knows the columns of records, and no figure or table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from analysis.names import display_name, display_subject
from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.conditions import joined, texts
from analysis.statistics.curves import budget_text
from pruneexp.errors import UserError

#: Why there is nothing to look into, of frames of layers, of scores by epoch and of weights.
NO_LAYERS = "no point with layers is logged: `python -m pruneexp` makes one."
NO_COURSES = "no point tells its scores by epoch of retraining: those of mode prune do, with runtime.epoch_scores=true."
NO_WEIGHTS = "no weights of these points are counted: `python -m pruneexp.stability CONDITION...` does it."


class OneBudget(NamedTuple):
    """What the points agree in, and the runs of their seeds, sorted."""

    data: str
    model: str
    conditions: tuple[tuple[str, str], ...]
    budget: str
    runs: tuple[str, ...]

    @property
    def subject(self) -> str:
        return display_subject(self.model, self.data)

    @property
    def columns(self) -> dict[str, str]:
        """What it is of, as rows of a CSV have it."""
        conditions = joined(self.conditions)
        return {"data": self.data, "model": self.model, "conditions": conditions, "budget": self.budget}

    @property
    def run_ids(self) -> str:
        return " ".join(self.runs)

    @property
    def over(self) -> str:
        """What means are over, for a caption."""
        return f"mean over {len(self.runs)} seeds" if len(self.runs) > 1 else "one seed"

    @property
    def spread_over(self) -> str:
        """What means with their spread are over, for a note."""
        return f"mean ± sample standard deviation over {len(self.runs)} seeds" if len(self.runs) > 1 else "of one seed"

    def how(self, *names: str) -> str:
        """The conditions of these names that say something, as people write them."""
        told = dict(self.conditions)
        return ", ".join(display_name(name, told[name]) for name in names if told[name])


def one_budget(frame: pd.DataFrame, lacking: str) -> OneBudget:
    """What a frame of the layers or weights of points is of.

    Raises:
        UserError: it is empty, of which ``lacking`` says why, or its points differ in more than the seed.
    """
    if frame.empty:
        raise UserError(lacking)
    points = selection.repetitions(frame).drop_duplicates("run_id")
    names = ("mode", *frames.CONDITIONS)
    ((key, _),) = selection.groups(points, (*frames.SUBJECT, *names, *frames.BUDGET))
    budget = budget_text(*(key[name] for name in frames.BUDGET))
    return OneBudget(str(key["data"]), str(key["model"]), texts(key, names), budget, tuple(sorted(points["run_id"])))


def by_layer(rows: pd.DataFrame, column: str = "layer.layer") -> list[tuple[str, pd.DataFrame]]:
    """The rows of each layer by its name, in the order of the network."""
    found: Sequence[tuple[str, pd.DataFrame]] = [(str(name), same) for name, same in rows.groupby(column)]
    return sorted(found, key=lambda layer: (layer[1]["place"].min(), layer[0]))
