"""Of each way of allocating and each seed, the sparsest recorded point that reaches a target on val.

Compares the ways, too. Knows the columns of points, and no table.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.records import frames
from analysis.statistics import columns, scoring
from analysis.statistics.conditions import texts
from analysis.statistics.inference import Comparison
from pruneexp.schema import Metric
from pruneexp.summary.spread import Spread, spread

STUDY = "Study"
#: The paper's own way: a level for each layer by its sensitivity curve, of a study with this sampler.
BY_CURVES, GREEDY = "Sensitivity curves", "greedy"
#: Ways of allocating that need no search, by the criterion of their curves.
CURVES = {"layer_magnitude": "Uniform density", "global_magnitude": "One threshold", "layer_std": "One common q"}
METHODS = (*CURVES.values(), STUDY)
#: What the points that are compared have in common: everything but how the weights were allocated.
SAME = tuple(name for name in frames.CONDITIONS if name not in ("criterion", "prune_settings", "study"))
#: Percent of the weights: a network that lost them all keeps so many, of which there is a logarithm.
_LEAST = 1e-9
_SLACK = 1e-9  # of a change: differences of floats are not exact
#: Shares of weights that differ by less than this factor are as good as equal.
AS_MANY = 1.05
#: What is compared of two ways: 100 times the logarithm of the share of weights kept, the smaller the better.
_LOG_SHARE = Metric("log_share", "%", "minimize")


class MethodResult(NamedTuple):
    """One way of allocating: of each seed the sparsest point that reaches the seed's target, where one does.

    ``density`` is the kept share of all prunable weights, in percent, by seed ``densities``. ``study`` compares it with
    the study's, seed by seed: 100 times the logarithm of the study's share over this one. ``best`` is true where it is
    smaller than that of every other way. ``points`` are the fewest and the most that a seed could choose from.
    """

    method: str
    seeds: int
    points: tuple[int, int]
    densities: tuple[tuple[int, float], ...]
    val_change: Spread | None
    test: Spread | None
    study: Comparison | None
    best: bool
    runs: tuple[str, ...]

    @property
    def density(self) -> Spread | None:
        return spread(density for _, density in self.densities) if self.densities else None

    @property
    def ratio(self) -> tuple[float | None, float | None, float | None]:
        """The study's share over this one, geometric mean over seeds, and its 95 % interval."""
        if self.study is None:
            return None, None, None
        mean, low, high = (
            None if value is None else math.exp(value / 100.0)
            for value in (self.study.mean, self.study.low, self.study.high)
        )
        return mean, low, high


class AllocationSet(NamedTuple):
    """One network on one data set, under one set of conditions; ``dense`` is its score on test.

    ``criteria`` are the hashes of the settings of each criterion that has several, by method.
    """

    data: str
    model: str
    conditions: tuple[tuple[str, str], ...]
    criteria: tuple[tuple[str, str], ...]
    dense: Spread | None
    kept: tuple[MethodResult, ...]


def comparable(frame: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """The points that may be compared, with their ``method``; the better on val, the larger ``gain`` and ``merit``.

    Numbered trials have a level of their own for each layer. What a search for a budget asked for has none: it is a
    point like those of curves. Trials whose levels are shares of channels are left out: no curve here cuts channels.
    """
    points = frame[(frame["mode"] == "prune") & (frame["schedule"] == "one_shot") & (frame["retrain_epochs"] > 0)]
    points = points[(points["trial"] < 0) | (points["budget.kind"] != "units")]
    method = points["criterion"].map(CURVES).mask(points["trial"] >= 0, STUDY)
    if "sampler" in points:
        method = method.mask((points["trial"] >= 0) & (points["sampler"] == GREEDY), BY_CURVES)
    names = {f"{name}.{metric.name}": name for name in ("val.change_after", "val.after", "test.dense", "test.after")}
    points = points.assign(method=method).rename(columns=names).dropna(subset=["method", "val.change_after"])
    gain, merit = (scoring.gain(metric, points[name]) for name in ("val.change_after", "val.after"))
    return points.assign(gain=gain, merit=merit)


def methods(points: pd.DataFrame) -> tuple[str, ...]:
    """The ways to be shown of points that ``comparable`` gives: the paper's own only where it was tried."""
    return (*CURVES.values(), *[BY_CURVES] * bool((points["method"] == BY_CURVES).any()), STUDY)


def settings(rows: pd.DataFrame) -> Iterator[tuple[tuple[tuple[str, str], ...], pd.DataFrame]]:
    """Each choice of one setting for every criterion, with its points and those of the study.

    Each trial of a study has settings of its own; a method without a search has one.
    """
    searched = rows["method"].isin((STUDY, BY_CURVES))
    curves = rows[~searched]
    logged = {method: sorted(set(of["prune_settings"])) for method, of in curves.groupby("method")}
    for chosen in itertools.product(*logged.values()):
        setting = dict(zip(logged, chosen, strict=True))
        several = tuple((method, setting[method]) for method in CURVES.values() if len(logged.get(method, ())) > 1)
        yield several, rows[searched | (rows["prune_settings"] == rows["method"].map(setting))]


def _sparsest(points: pd.DataFrame, drop: float) -> pd.DataFrame:
    """By seed the point of the smallest density that reaches the target; of equally small ones the best."""
    reaching = points[points["gain"] >= -drop - _SLACK]
    order = {"density": True, "merit": False, "run_id": True}
    ordered = reaching.sort_values(list(order), ascending=list(order.values()))
    return ordered.drop_duplicates("seed").set_index("seed", drop=False).sort_index()


def entry(
    key: Mapping[str, Any],
    criteria: tuple[tuple[str, str], ...],
    rows: pd.DataFrame,
    drop: float,
    shown: Sequence[str] = METHODS,
) -> AllocationSet:
    best = {method: _sparsest(rows[rows["method"] == method], drop) for method in shown}
    dense = rows.dropna(subset=["test.dense"]).drop_duplicates("seed")
    return AllocationSet(
        data=str(key["data"]),
        model=str(key["model"]),
        conditions=texts(key, SAME),
        criteria=criteria,
        dense=_spread(dense["test.dense"]),
        kept=tuple(_kept(rows, method, chosen) for method, chosen in best.items()),
    )


def _kept(rows: pd.DataFrame, method: str, chosen: pd.DataFrame) -> MethodResult:
    tried = rows[rows["method"] == method].groupby("seed").size()
    return MethodResult(
        method=method,
        seeds=len(tried),
        points=(int(tried.min()), int(tried.max())) if len(tried) else (0, 0),
        densities=tuple(
            (int(seed), 100.0 * float(share)) for seed, share in zip(chosen["seed"], chosen["density"], strict=True)
        ),
        val_change=_spread(chosen["val.change_after"]),
        test=_spread(chosen["test.after"].dropna()),
        study=None,
        best=False,
        runs=tuple(sorted(chosen["run_id"])),
    )


def _spread(values: pd.Series) -> Spread | None:
    return spread(values) if len(values) else None


def judged(entries: Sequence[AllocationSet]) -> tuple[AllocationSet, ...]:
    """The entries with what the ways are to each other, corrected over the table."""
    rows = [
        {one.method: {seed: 100.0 * math.log(max(share, _LEAST)) for seed, share in one.densities} for one in entry.kept
         if one.densities}
        for entry in entries
    ]  # fmt: skip
    margins = [100.0 * math.log(AS_MANY)] * len(rows)
    compared = columns.against(STUDY, rows, _LOG_SHARE, margins)
    best = columns.best(rows, _LOG_SHARE, margins)
    return tuple(
        entry._replace(kept=tuple(
            one._replace(study=of.get(one.method), best=one.method in leaders) for one in entry.kept
        ))
        for entry, of, leaders in zip(entries, compared, best, strict=True)
    )  # fmt: skip
