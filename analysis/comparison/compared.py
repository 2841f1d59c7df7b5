"""What one side is ahead of the other by, seed by seed, at each budget that both have and over all of them.

Knows how curves are matched, and not how a table is put on paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import pandas as pd

from analysis.comparison.matching import CurvePair, Key, matching, of_curve
from analysis.comparison.sides import SIDE
from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import inference, paired, scoring, selection, test_sets
from analysis.statistics.curves import budget_text
from analysis.statistics.inference import Comparison
from pruneexp.errors import UserError
from pruneexp.schema import Metric
from pruneexp.summary.spread import Spread, spread


class ComparedBudget(NamedTuple):
    """One line: a pair of curves at a budget that both have, or over all of these (``budgets`` of them).

    ``scores`` are those of the first and the second side over the seeds that both have, and ``ahead`` by how much the
    second is better. It is absent where they share no seed; then ``scores`` are over the seeds of each.
    """

    pair: CurvePair
    budget: str
    budgets: int
    density: float
    scores: tuple[Spread, Spread]
    ahead: Comparison | None
    runs: tuple[str, ...]


class Compared(NamedTuple):
    """The table of two sides.

    ``alone`` are the curves of each without a partner, ``left`` counts the points of each that no line has.
    ``out_of_range`` says that some budgets have no say in a mean over budgets (``paired.in_range``).
    """

    sides: tuple[str, str]
    split: Split
    metric: Metric
    margin: float
    entries: tuple[ComparedBudget, ...]
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
) -> Compared:
    """Every pair of curves of the two sides of ``analysis.comparison.sides.sides``, at every budget that both have.

    Raises:
        UserError: the sides share no point, or it is not clear which curves belong together.
    """
    chosen = scoring.primary(frame) if metric == scoring.AUTO else scoring.shown(frame, metric)
    limit = test_sets.margin(frame, margin)
    first, second = (str(name) for name in frame[SIDE].unique())
    found = matching(frame)
    entries: list[ComparedBudget] = []
    for pair in found.pairs:
        curves = [of_curve(frame, side, key) for side, key in ((first, pair.first), (second, pair.second))]
        entries += _entries(pair, *(paired.curve(rows, chosen, split, "after") for rows in curves), chosen, limit)
    if not entries:
        raise UserError(_no_budget(frame, (first, second), chosen, split))
    used = {run for entry in entries for run in entry.runs}
    unused = frame[~frame["run_id"].isin(used)][SIDE].value_counts()
    lines = sum(entry.budgets for entry in entries if entry.budgets == 1)
    in_means = sum(entry.budgets for entry in entries if entry.budgets > 1)
    return Compared(
        (first, second),
        split,
        chosen,
        limit,
        _corrected(entries),
        found.alone,
        (int(unused.get(first, 0)), int(unused.get(second, 0))),
        0 < in_means < lines,
        test_sets.note(frame, chosen, split),
    )


def _entries(
    pair: CurvePair, first: pd.DataFrame, second: pd.DataFrame, metric: Metric, margin: float
) -> list[ComparedBudget]:
    """The lines of one pair, the mildest budget first, that over all of them last."""
    both = paired.against(second, first, metric)
    if both.empty:
        return _unpaired(pair, first, second)
    made = [
        _line(pair, budget_text(*budget.values()), rows, margin)
        for budget, rows in selection.groups(both, frames.BUDGET)
    ]
    made.sort(key=lambda entry: (-entry.density, entry.budget))
    if len(made) > 1:
        whole = paired.complete(paired.in_range(both))
        whole = paired.complete(both) if whole.empty else whole
        made.append(_line(pair, "", whole, margin))
    return made


def _line(pair: CurvePair, budget: str, rows: pd.DataFrame, margin: float) -> ComparedBudget:
    """One line of rows of both sides; of each seed the mean over budgets counts."""
    means = rows.groupby("seed")[["value_other", "value"]].mean()
    return ComparedBudget(
        pair,
        budget,
        len(rows[list(frames.BUDGET)].drop_duplicates()),
        spread(rows["density_scope"]).mean,
        (spread(means["value_other"]), spread(means["value"])),
        inference.compare(paired.by_seed(rows), margin),
        tuple(sorted({*rows["run_id_other"], *rows["run_id"]})),
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
            made.append(ComparedBudget(pair, budget_text(*budget.values()), 1, density, scores, None, runs))
    return sorted(made, key=lambda entry: (-entry.density, entry.budget))


def _corrected(entries: Sequence[ComparedBudget]) -> tuple[ComparedBudget, ...]:
    """The lines with the verdicts that they have together (``inference.holm``)."""
    judged = iter(inference.holm([entry.ahead for entry in entries if entry.ahead is not None]))
    return tuple(entry if entry.ahead is None else entry._replace(ahead=next(judged)) for entry in entries)


def _no_budget(frame: pd.DataFrame, sides: tuple[str, str], metric: Metric, split: str) -> str:
    told = []
    for side in sides:
        rows = frame[(frame[SIDE] == side) & frame[f"{split}.after.{metric.name}"].notna()]
        budgets = [budget_text(*budget.values()) for budget, _ in selection.groups(rows, frames.BUDGET)]
        told.append(f"{side} has {', '.join(budgets) or f'no {metric.title} on {split}'}")
    return f"the sides share no point: no budget is that of both of two curves ({'; '.join(told)})."
