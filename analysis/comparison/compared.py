"""What one side is ahead of the other by, seed by seed, at each budget that both have and over all of them.

Knows how curves are matched, and not how a table is put on paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import pandas as pd

from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import inference, paired, scoring, selection, test_sets
from analysis.statistics.curves import budget_text
from analysis.statistics.inference import Comparison
from analysis.statistics.matching import SIDE, CurvePair, Key, matching, of_curve
from pruneexp.errors import UserError
from pruneexp.schema import Metric
from pruneexp.summary.spread import Spread, spread


class ComparedBudget(NamedTuple):
    """One line: a pair of curves at a budget that both have, or a mean over ``budgets`` of them, then without a name.

    A mean over all pairs has several. ``scores`` are those of the first and the second side over the seeds that both
    have, and ``ahead`` by how much the second is better. It is absent where they share no seed; then ``scores`` are
    over the seeds of each.
    """

    pairs: tuple[CurvePair, ...]
    budget: str
    budgets: int
    density: float
    scores: tuple[Spread, Spread]
    ahead: Comparison | None
    runs: tuple[str, ...]


class TwoSides(NamedTuple):
    """The table of two sides.

    ``alone`` are the curves of each without a partner, ``left`` counts the points of each that no line has.
    ``out_of_range`` says that some budgets have no say in a mean over budgets (``paired.in_range``).
    """

    sides: tuple[str, str]
    split: Split
    metric: Metric
    lines: tuple[ComparedBudget, ...]
    alone: tuple[tuple[Key, ...], tuple[Key, ...]]
    left: tuple[int, int]
    out_of_range: bool
    test_set: str


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that scores are shown on"] = "test",
    metric: Annotated[str, "auto: the primary one; or top5"] = scoring.AUTO,
    margin: Annotated[float, "a difference that is worth nothing, in points or per cent; 0: by the test set"] = 0.0,
) -> TwoSides:
    """Every pair of curves of the two sides of ``analysis.comparison.sides.sides``, at every budget that both have.

    Raises:
        UserError: the sides share no point, or it is not clear which curves belong together.
    """
    chosen = scoring.judged(frame, metric)
    first, second = (str(name) for name in frame[SIDE].unique())
    found = matching(frame)
    lines: list[ComparedBudget] = []
    means: list[pd.DataFrame] = []
    for pair in found.pairs:
        curves = [of_curve(frame, side, key) for side, key in ((first, pair.first), (second, pair.second))]
        limit = test_sets.margin(pd.concat(curves), margin)
        ours, theirs = (paired.curve(rows, chosen, split, "after") for rows in curves)
        both = paired.against(theirs, ours, chosen)
        lines += _paired(pair, both, chosen, limit) if len(both) else _unpaired(pair, ours, theirs)
        means.append(_averaged(both, chosen))
    if not lines:
        raise UserError(_no_budget(frame, (first, second), chosen, split))
    lines += _overall(found.pairs, means, lines)
    unused = frame[~frame["run_id"].isin({run for line in lines for run in line.runs})][SIDE].value_counts()
    counted, single = sum(map(_budgets, means)), sum(bool(line.budget) for line in lines)
    return TwoSides(
        (first, second),
        split,
        chosen,
        inference.together(lines, "ahead"),
        found.alone,
        (int(unused.get(first, 0)), int(unused.get(second, 0))),
        0 < counted < single,
        test_sets.note(frame, chosen, split),
    )


def _paired(pair: CurvePair, both: pd.DataFrame, metric: Metric, margin: float) -> list[ComparedBudget]:
    """The lines of one pair, the mildest budget first, the mean over them last."""
    budgets = selection.groups(both, frames.BUDGET)
    made = [_line((pair,), budget_text(*budget.values()), rows, margin) for budget, rows in budgets]
    made.sort(key=lambda line: (-line.density, line.budget))
    return made if len(made) == 1 else [*made, _line((pair,), "", _averaged(both, metric), margin)]


def _averaged(both: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """The rows of one pair that its mean is over: budgets of every seed, at which not both sides are out of range."""
    rows = paired.complete(paired.in_range(both, metric))
    return paired.complete(both) if rows.empty else rows


def _overall(
    pairs: tuple[CurvePair, ...], means: Sequence[pd.DataFrame], lines: Sequence[ComparedBudget]
) -> list[ComparedBudget]:
    """The mean over all pairs of the seeds that all of them have, where it says more than the lines of each pair."""
    margins = {line.ahead.margin for line in lines if line.ahead is not None}
    seeds = set.intersection(*(set(rows["seed"]) for rows in means))
    if len(pairs) == 1 or len(margins) != 1 or not seeds:
        return []
    rows = pd.concat(means)
    made = _line(pairs, "", rows[rows["seed"].isin(seeds)], margins.pop())
    return [made._replace(budgets=sum(map(_budgets, means)))]


def _budgets(rows: pd.DataFrame) -> int:
    return len(rows[list(frames.BUDGET)].drop_duplicates())


def _line(pairs: tuple[CurvePair, ...], budget: str, rows: pd.DataFrame, margin: float) -> ComparedBudget:
    """One line of rows of both sides; of each seed the mean over its rows counts."""
    return ComparedBudget(
        pairs,
        budget,
        _budgets(rows),
        spread(rows["density_scope"]).mean,
        paired.both_scores(rows),
        inference.compare(paired.by_seed(rows), margin),
        paired.both_runs(rows),
    )


def _unpaired(pair: CurvePair, first: pd.DataFrame, second: pd.DataFrame) -> list[ComparedBudget]:
    """Scores side by side at the budgets of both curves, which share no seed."""
    made = []
    for budget, ours in selection.groups(first, frames.BUDGET):
        theirs = second[(second[list(frames.BUDGET)] == pd.Series(budget)).all(axis=1)]
        if not theirs.empty:
            scores = spread(ours["value"]), spread(theirs["value"])
            runs = tuple(sorted({*ours["run_id"], *theirs["run_id"]}))
            density = spread(ours["density_scope"]).mean
            made.append(ComparedBudget((pair,), budget_text(*budget.values()), 1, density, scores, None, runs))
    return sorted(made, key=lambda line: (-line.density, line.budget))


def _no_budget(frame: pd.DataFrame, sides: tuple[str, str], metric: Metric, split: str) -> str:
    told = []
    for side in sides:
        rows = frame[(frame[SIDE] == side) & frame[f"{split}.after.{metric.name}"].notna()]
        budgets = [budget_text(*budget.values()) for budget, _ in selection.groups(rows, frames.BUDGET)]
        told.append(f"{side} has {', '.join(budgets) or f'no {metric.title} on {split}'}")
    return f"the sides share no point: no budget is that of both of two curves ({'; '.join(told)})."
