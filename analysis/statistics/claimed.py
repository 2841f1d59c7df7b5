"""What Han et al. 2015 read off their Figure 5, and the curves among records on which each claim can be tried.

Knows the columns of points, and no table.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import pandas as pd

from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import inference, paired, scoring, selection
from analysis.statistics.conditions import telling, texts, words
from analysis.statistics.inference import Bounds, Comparison
from analysis.statistics.paired import BudgetDifference
from pruneexp.errors import UserError
from pruneexp.schema import Metric

#: Schedules of several rounds.
ITERATIVE = ("iterative", "progressive")
#: "Low density" in the claim on iterative pruning: the paper's red curve starts at 8x.
LOW_DENSITY = 0.125
#: The compression that the paper calls free: 2x without retraining (section 5); 9x on AlexNet with it, "about 10x".
FREE_UNTRAINED, FREE_DENSITY = 0.5, 0.1

#: What the claims are about: two curves that are compared differ in one of these.
PENALTY = ("reg", "reg_strength", "reg_retrain_strength", "reg_lr_factor", "reg_settings")
SCHEDULE = ("schedule", "schedule_settings", "rounds", "path")
#: What two curves that are compared must share.
SAME = tuple(name for name in frames.CONDITIONS if name not in (*PENALTY, *SCHEDULE))


class Side(NamedTuple):
    """One curve of a comparison: its penalty, its kind of schedule, and the moment it is looked at."""

    reg: str
    iterative: bool
    moment: Literal["before", "after"]


class Claim(NamedTuple):
    """``better`` has a better score than ``worse``; without ``worse``, it loses nothing to its dense network."""

    text: str
    better: Side
    worse: Side | None
    highest: float  # density up to which the claim is made
    lowest: float = 0.0


CLAIMS = (
    Claim("without retraining, L1 beats L2", Side("l1", False, "before"), Side("l2", False, "before"), 1.0),
    Claim("with retraining, L2 beats L1", Side("l2", False, "after"), Side("l1", False, "after"), 1.0),
    Claim(
        "at low density, iterative pruning beats pruning at once (L2)",
        Side("l2", True, "after"),
        Side("l2", False, "after"),
        LOW_DENSITY,
    ),
    Claim(
        "half of the weights go for free, even without retraining (L2)",
        Side("l2", False, "before"),
        None,
        FREE_UNTRAINED,
        FREE_UNTRAINED,
    ),
    Claim("iterative pruning under L2 gives 10× for free", Side("l2", True, "after"), None, FREE_DENSITY, FREE_DENSITY),
)


#: Rows that one claim may have of one network and data set.
MOST_PAIRS = 24


class Tried(NamedTuple):
    """A claim on one network and data set, tried on one pair of curves, or on one curve where there is no ``worse``.

    ``settings`` says in words which, where the claim was tried on others as well. ``changes`` are the mean changes of
    both sides against their dense networks, at the budgets that count.
    """

    data: str
    model: str
    conditions: tuple[tuple[str, str], ...]
    better: tuple[tuple[str, str], ...]
    worse: tuple[tuple[str, str], ...]
    settings: str
    claim: str
    difference: Comparison
    changes: tuple[float, ...]
    trials: tuple[BudgetDifference, ...]
    runs: tuple[str, ...]


class Pair(NamedTuple):
    """What a claim is tried on: what both curves share, what each has for itself, and their points side by side."""

    same: Mapping[str, Any]
    better: Mapping[str, Any]
    worse: Mapping[str, Any]
    points: pd.DataFrame


def pairs(points: pd.DataFrame, claim: Claim, metric: Metric, split: Split) -> Iterator[Pair]:
    """Curves that differ in the penalty or schedule that the claim is about, and share a seed and budget."""
    inside = points[points["density_scope"].between(claim.lowest * 0.99, claim.highest * 1.01)]
    for same, rows in selection.groups(inside, SAME):
        better = _side(rows, claim.better, metric, split)
        if claim.worse is None:
            yield from (Pair(same, key, {}, paired.against_dense(own)) for key, own in better)
            continue
        worse = _side(rows, claim.worse, metric, split)
        shared = (*(PENALTY if claim.better.reg == claim.worse.reg else ()),
                  *(SCHEDULE if claim.better.iterative == claim.worse.iterative else ()))  # fmt: skip
        for (one, own), (other, theirs) in itertools.product(better, worse):
            if all(one[name] == other[name] for name in shared):
                both = paired.against(own, theirs, metric)
                if len(both):
                    yield Pair(same, one, other, both)


def _side(points: pd.DataFrame, side: Side, metric: Metric, split: Split) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """The curves of one side."""
    of = points[(points["reg"] == side.reg) & (points["schedule"].isin(ITERATIVE) == side.iterative)]
    found = ((key, paired.curve(rows, metric, split, side.moment))
             for key, rows in selection.groups(of, (*PENALTY, *SCHEDULE)))  # fmt: skip
    return [(key, rows) for key, rows in found if len(rows)]


def untried(subject: Mapping[str, Any], claim: Claim, lacking: int, total: int, metric: Metric) -> str:
    worst = f"{paired.worst_loss(metric):g} {metric.change_unit}"
    of = f"on {lacking} of {total} pairs of curves" if total > 1 else "on the pair of curves"
    return (
        f"'{claim.text}' is not tried {of} of {subject['model']} on {subject['data']}: they share no density where "
        f"either is within {worst} of its dense network."
    )


def tried_on(
    subject: Mapping[str, Any], among: Sequence[Pair], claim: Claim, metric: Metric, margin: float
) -> Iterator[Tried]:
    """The claim on each pair that can decide it; raises where there are too many of them for a person to read."""
    shared = telling([pair.same for pair in among], SAME) if among else ()
    own = [telling(keys, (*PENALTY, *SCHEDULE)) if keys and keys[0] else ()
           for keys in ([pair.better for pair in among], [pair.worse for pair in among])]  # fmt: skip
    if len(among) > MOST_PAIRS:
        names = ", ".join(dict.fromkeys((*shared, *own[0], *own[1])))
        raise UserError(
            f"'{claim.text}' can be tried on {len(among)} pairs of curves of {subject['model']} on {subject['data']}, "
            f"and {MOST_PAIRS} fit in a table: choose with --where by {names}."
        )
    bounds: Bounds = "loss" if claim.worse is None else "both"
    for pair in among:
        counted = paired.complete(paired.in_range(pair.points, metric))
        if counted.empty:
            continue
        yield Tried(
            data=str(subject["data"]),
            model=str(subject["model"]),
            conditions=texts(pair.same, SAME),
            better=texts(pair.better, tuple(pair.better)),
            worse=texts(pair.worse, tuple(pair.worse)),
            settings="; ".join(filter(None, (words(pair.same, shared), *_sides(pair, own)))),
            claim=claim.text,
            difference=inference.compare(paired.by_seed(counted), margin, bounds),
            changes=_changes(counted, metric),
            trials=paired.by_budget(pair.points, counted, margin, bounds),
            runs=paired.both_runs(pair.points),
        )


def _sides(pair: Pair, names: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """What each curve has for itself, after its penalty; said once where both have the same."""
    sides = ((pair.better, names[0]), (pair.worse, names[1]))
    return tuple(dict.fromkeys(f"{key['reg']}: {words(key, told)}" for key, told in sides if told))


def _changes(rows: pd.DataFrame, metric: Metric) -> tuple[float, ...]:
    gains = [rows[name] for name in ("gain", "gain_other") if name in rows]
    return tuple(scoring.gain(metric, math.fsum(gain) / len(gain)) for gain in gains)
