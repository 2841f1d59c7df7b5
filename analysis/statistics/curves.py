"""Curves over budgets: points that differ in seed alone become one mark with its spread.

Knows neither how a curve is drawn nor which paper it is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.conditions import telling, texts, words
from pruneexp.summary.spread import Spread, spread


class BudgetMark(NamedTuple):
    """One budget of a curve: ``pruned`` in percent, ``change`` of the metric against the dense network, its ``value``.

    ``doubtful`` counts the networks whose score says less than it seems to (``analysis.statistics.doubts``).
    """

    budget: str
    pruned: float
    change: Spread
    value: Spread
    doubtful: int
    runs: tuple[str, ...]


class Curve(NamedTuple):
    """One line of a figure. ``style`` is what the line looks like, ``variant`` counts the curves of that style.

    ``differing`` says, in the order of the conditions, what tells the curves of one style from each other.
    """

    style: tuple[str, ...]
    variant: int
    differing: str
    conditions: tuple[tuple[str, str], ...]
    marks: tuple[BudgetMark, ...]

    @property
    def seeds(self) -> str:
        """How many seeds a mark stands for: ``n = 3``, or ``n = 1 to 3`` where the marks differ."""
        counts = sorted({mark.change.n for mark in self.marks})
        return f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"


def curves(
    points: pd.DataFrame, style: Sequence[str], conditions: Sequence[str], rank: Callable[[tuple[str, ...]], int]
) -> tuple[Curve, ...]:
    """Group points, with ``change``, ``value`` and ``doubtful``, into curves in the order of their style's rank."""
    found = [(dict(key), _marks(rows)) for key, rows in selection.groups(points, (*style, *conditions))]
    looks = [tuple(str(key[name]) for name in style) for key, _ in found]
    made: list[Curve] = []
    for (key, marks), look in zip(found, looks, strict=True):
        alike = [other for (other, _), theirs in zip(found, looks, strict=True) if theirs == look]
        differing = words(key, telling(alike, conditions))
        made.append(Curve(look, alike.index(key), differing, texts(key, (*style, *conditions)), marks))
    return tuple(sorted(made, key=lambda curve: (rank(curve.style), curve.style, curve.variant)))


def budget_text(kind: str, value: float) -> str:
    """``density=0.1`` or ``quality=1.5``."""
    return f"{kind}={value:g}"


def _marks(rows: pd.DataFrame) -> tuple[BudgetMark, ...]:
    marks = [_mark(budget_text(*budget.values()), same) for budget, same in selection.groups(rows, frames.BUDGET)]
    return tuple(sorted(marks, key=lambda mark: (mark.pruned, mark.budget)))


def _mark(budget: str, same: pd.DataFrame) -> BudgetMark:
    def over_seeds(column: str) -> Spread:
        return spread(_floats(same[column]))

    runs, doubtful = tuple(sorted(same["run_id"])), int(same["doubtful"].sum())
    return BudgetMark(budget, over_seeds("pruned").mean, over_seeds("change"), over_seeds("value"), doubtful, runs)


def _floats(column: Iterable[Any]) -> list[float]:
    return [float(value) for value in column]
