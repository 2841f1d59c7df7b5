"""Two curves side by side: what one is ahead of the other by, seed by seed and budget by budget.

Knows the columns of points, and no figure or table. A difference is a gain, positive where the first curve is better:
points for metrics in percent, else per cent of the other's value.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import pandas as pd

from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import inference, scoring, selection
from analysis.statistics.curves import budget_text
from analysis.statistics.inference import Bounds, Comparison
from pruneexp.schema import Metric
from pruneexp.summary.spread import Spread, spread

#: A network that has lost more than this has collapsed: its accuracy is below the range of Figure 5 of Han et al. 2015,
#: and of other metrics, in per cent, half is gone.
RANGE_POINTS, RANGE_PERCENT = 5.0, 50.0
#: What of a point takes part.
COLUMNS = ("seed", *frames.BUDGET, "density_scope", "value", "gain", "run_id")
_PLACE = ["seed", *frames.BUDGET]


class BudgetDifference(NamedTuple):
    """A difference at one budget, over the seeds; ``counted`` says whether it takes part in the verdict."""

    budget: str
    density: float
    difference: Comparison
    counted: bool


def curve(points: pd.DataFrame, metric: Metric, split: Split, moment: Literal["before", "after"]) -> pd.DataFrame:
    """The points that have the metric, with its ``value`` and, as ``gain``, its change against the dense network."""
    change = scoring.gain(metric, points[f"{split}.change_{moment}.{metric.name}"])
    made = points.assign(value=points[f"{split}.{moment}.{metric.name}"], gain=change)
    return made.dropna(subset=["value", "gain"])[list(COLUMNS)]


def against(own: pd.DataFrame, other: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """A row for each seed and budget of both curves, with their ``difference``; the other's columns end in ``_other``.

    Empty where they share none.
    """
    both = own.merge(other, on=_PLACE, suffixes=("", "_other"))
    difference = scoring.gain(metric, frames.changes(metric, both["value_other"], both["value"]))
    return both.assign(difference=difference).dropna(subset=["difference"])


def against_dense(own: pd.DataFrame) -> pd.DataFrame:
    """A row for each seed and budget of a curve; the ``difference`` is that to its own dense network."""
    return own.assign(difference=own["gain"])


def worst_loss(metric: Metric) -> float:
    """The largest loss with which a network still works, in what changes of the metric are measured in."""
    return RANGE_POINTS if metric.change_unit == "points" else RANGE_PERCENT


def in_range(rows: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Without the budgets at which both curves, on average over their seeds, have lost more than ``worst_loss``.

    What is left of such networks scatters by tens of points. Which side is ahead decides nothing here, so that what
    remains favours neither. Differences to the dense network all remain.
    """
    if "gain_other" not in rows:
        return rows
    means = rows.groupby(list(frames.BUDGET))[["gain", "gain_other"]].transform("mean")
    return rows[means.max(axis=1) >= -worst_loss(metric)]


def by_budget(
    rows: pd.DataFrame, counted: pd.DataFrame, margin: float, bounds: Bounds = "both"
) -> tuple[BudgetDifference, ...]:
    """The difference at each budget by itself, the mildest first; ``counted`` are the rows that take part together."""
    known = set(counted[list(frames.BUDGET)].itertuples(index=False, name=None))
    made = [
        BudgetDifference(
            budget=budget_text(*budget.values()),
            density=spread(same["density_scope"]).mean,
            difference=inference.compare(by_seed(same), margin, bounds),
            counted=tuple(budget.values()) in known,
        )
        for budget, same in selection.groups(rows, frames.BUDGET)
    ]
    return tuple(sorted(made, key=lambda one: (-one.density, one.budget)))


def both_scores(rows: pd.DataFrame) -> tuple[Spread, Spread]:
    """The scores of the other curve and of this one over the seeds, of each the mean over its budgets."""
    means = rows.groupby("seed")[["value_other", "value"]].mean()
    return spread(means["value_other"]), spread(means["value"])


def both_runs(rows: pd.DataFrame) -> tuple[str, ...]:
    """The runs behind rows of one curve or two, sorted."""
    return tuple(sorted({run for name in ("run_id", "run_id_other") if name in rows for run in rows[name]}))


def complete(rows: pd.DataFrame) -> pd.DataFrame:
    """Only budgets that every seed has, so that means over budgets are of the same ones.

    Where no budget is shared by all, the seeds with the fewest budgets are left out, until one is.
    """
    while len(rows):
        seeds = rows.groupby(list(frames.BUDGET))["seed"].transform("nunique")
        if (seeds == rows["seed"].nunique()).any():
            return rows[seeds == rows["seed"].nunique()]
        budgets = rows.groupby("seed")["seed"].transform("size")
        rows = rows[budgets > budgets.min()]
    return rows


def by_seed(rows: pd.DataFrame) -> tuple[float, ...]:
    """One number for each seed, in their order: the mean of its differences over budgets."""
    return tuple(math.fsum(same["difference"]) / len(same) for _, same in rows.groupby("seed"))
