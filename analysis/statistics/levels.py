"""What each value of one setting is ahead of another value by, or each pruned network of its own dense one.

Knows the columns of points and how curves are matched, and no table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import pandas as pd

from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import inference, paired, selection, test_sets
from analysis.statistics.conditions import ABSENT, phrase, text
from analysis.statistics.inference import Comparison
from analysis.statistics.matching import SETTINGS, SIDE, matching, of_curve
from analysis.statistics.paired import BudgetDifference
from pruneexp.errors import UserError, guess
from pruneexp.schema import Metric
from pruneexp.summary.spread import Spread

Moment = Literal["before", "after"]


class JudgedLevel(NamedTuple):
    """One line: a curve that has the ``level``, held against one that has the reference, all else being equal.

    Against the dense network ``level`` is empty, and the line is of one budget. ``settings`` are those that the
    difference is not about, ``scores`` of the reference and of the level, over the seeds.
    """

    level: str
    settings: Mapping[str, Any]
    scores: tuple[Spread, Spread]
    difference: Comparison
    budgets: tuple[BudgetDifference, ...]
    runs: tuple[str, ...]


class Shown(NamedTuple):
    """The scores that are judged: of a metric, on a split, before or after retraining, with the margin asked for."""

    metric: Metric
    split: Split
    moment: Moment
    margin: float


def against_dense(points: pd.DataFrame, shown: Shown) -> Iterator[JudgedLevel]:
    """Each curve at each budget against the dense networks of its seeds; the margin bounds losses alone."""
    for key, rows in selection.groups(points, SETTINGS):
        dense = rows.set_index("run_id")[f"{shown.split}.dense.{shown.metric.name}"]
        own = paired.against_dense(paired.curve(rows, shown.metric, shown.split, shown.moment))
        own = own.assign(value_other=own["run_id"].map(dense), run_id_other=own["run_id"])
        made = [_line("", key, same, same, test_sets.margin(rows, shown.margin), "loss")
                for _, same in selection.groups(own, frames.BUDGET)]  # fmt: skip
        yield from sorted(made, key=lambda line: (-line.budgets[0].density, line.budgets[0].budget))


def values(points: pd.DataFrame, column: str) -> list[Any]:
    """The values of a column: what is absent first, then numbers, then texts, each in their order."""
    found = [key[column] for key in selection.combinations(points, [column])]
    return sorted(found, key=lambda value: (value is not None, isinstance(value, str), 0 if value is None else value))


def reference(among: Sequence[Any], asked: str, column: str) -> Any:
    """The value that others are held against: the one asked for, or the first.

    Raises:
        UserError: there is no such value, or there are no two.
    """
    told = {text(value): value for value in among}
    if len(told) < 2:
        raise UserError(f"--color {column}: all these points have {column}={', '.join(told)}, and a verdict takes two.")
    if asked and asked not in told:
        raise UserError(f"--reference {asked}: {column} is {', '.join(told)}{guess(asked, list(told))}.")
    return told[asked] if asked else among[0]


def against(
    points: pd.DataFrame, column: str, values: tuple[Any, Any], shown: Shown
) -> tuple[list[JudgedLevel], list[Mapping[str, Any]]]:
    """Curves with the second value against those with the first that agree in all that both values share.

    The settings come second of curves that have no budget at which both have a score and one of them still works.

    Raises:
        UserError: none do, or it is not clear which belong together.
    """
    names = [str(ABSENT if value is None else value) for value in values]
    sides = [points[points[column].isna() if value is None else points[column] == value] for value in values]
    judged: list[JudgedLevel] = []
    collapsed: list[Mapping[str, Any]] = []
    two = pd.concat([rows.assign(**{SIDE: name}) for name, rows in zip(names, sides, strict=True)], ignore_index=True)
    for pair in matching(two).pairs:
        curves = [of_curve(two, side, key) for side, key in zip(names, pair.sides, strict=True)]
        first, second = (paired.curve(rows, shown.metric, shown.split, shown.moment) for rows in curves)
        both = paired.against(second, first, shown.metric)
        counted = paired.complete(paired.in_range(both, shown.metric))
        settings = {name: value for name, value in pair.second.items() if name not in (column, *pair.differing)}
        if counted.empty:
            collapsed.append(settings)
            continue
        limit = test_sets.margin(pd.concat(curves), shown.margin)
        judged.append(_line(phrase(column, {column: values[1]}), settings, both, counted, limit, "both"))
    return judged, collapsed


def _line(
    level: str,
    settings: Mapping[str, Any],
    rows: pd.DataFrame,
    counted: pd.DataFrame,
    margin: float,
    bounds: inference.Bounds,
) -> JudgedLevel:
    """One line of the rows of both sides; of each seed the mean over the budgets that count."""
    return JudgedLevel(
        level,
        settings,
        paired.both_scores(counted),
        inference.compare(paired.by_seed(counted), margin, bounds),
        paired.by_budget(rows, counted, margin, bounds),
        paired.both_runs(rows),
    )
