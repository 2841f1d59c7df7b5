"""Curves over budgets: points that differ in seed alone become one mark with its spread.

Knows neither how a curve is drawn nor which paper it is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.names import extent
from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.conditions import RETRAINING, kinds, telling, texts, words
from pruneexp.summary.spread import Spread, spread

_MOMENTS = ("before", "after", "rounds")


class BudgetMark(NamedTuple):
    """One budget of a curve: the mean ``x`` over its seeds, and ``y`` with its spread.

    ``doubtful`` counts the networks whose score says less than it seems to (``analysis.statistics.doubts``).
    """

    budget: str
    x: float
    y: Spread
    doubtful: int
    runs: tuple[str, ...]


class Channels(NamedTuple):
    """The columns that each means of telling curves apart stands for: a colour, a marker, and a panel of its own."""

    colour: tuple[str, ...] = ()
    style: tuple[str, ...] = ()
    facet: tuple[str, ...] = ()


class Curve(NamedTuple):
    """One line of a figure: its moment, what it is by each channel in words, and all its conditions.

    ``dense`` is y of the dense networks, the mean over them, where it is a value that these have.
    """

    moment: str
    reg: str
    colour: str
    style: str
    facet: str
    conditions: tuple[tuple[str, str], ...]
    marks: tuple[BudgetMark, ...]
    dense: float | None

    @property
    def told(self) -> str:
        """What tells it from the others of its panel."""
        return ", ".join(filter(None, (self.colour, self.style)))

    @property
    def seeds(self) -> str:
        """How many seeds a mark stands for: ``n = 3``, or ``n = 1 to 3`` where the marks differ."""
        return f"n = {extent(mark.y.n for mark in self.marks)}"


class CurveSet(NamedTuple):
    """All curves of a figure, and the levels of each channel in the order of their values."""

    curves: tuple[Curve, ...]
    channels: Channels
    colours: tuple[str, ...]
    styles: tuple[str, ...]
    facets: tuple[str, ...]


def channels(points: pd.DataFrame, conditions: Sequence[str], asked: Channels) -> Channels:
    """What is asked for, and of the other conditions those that a reader needs: the first as colour, the rest as style.

    What follows from the colour is told with it. ``points`` are those of ``moments.of_curves``.
    """
    needed: list[str] = []
    for before in (False, True):
        rows = points[(points["moment"] == "before") == before]
        names = [name for name in conditions if not (before and name in RETRAINING)]
        if not rows.empty:
            needed += telling(selection.combinations(rows, names), names)
    named = {name for channel in asked for name in channel}
    left = [name for name in conditions if name in needed and name not in named]
    colour = asked.colour or tuple(left[:1])
    retrained = points[points["moment"] != "before"]
    keys = selection.combinations(points if retrained.empty else retrained, conditions)
    follow = tuple(name for name in left if name not in colour and _is_decided(keys, colour, name))
    rest = (name for name in left if name not in (*colour, *follow))
    return Channels((*colour, *follow), (*asked.style, *rest), asked.facet)


def _is_decided(keys: Sequence[Mapping[str, Any]], by: Sequence[str], name: str) -> bool:
    """Whether keys that agree in ``by`` never differ in this name."""
    return bool(by) and kinds(keys, by) == kinds(keys, (*by, name))


def family(points: pd.DataFrame, conditions: Sequence[str], by: Channels) -> CurveSet:
    """The curves of ``moments.of_curves``, told apart by all conditions, in the order of their channels' levels."""
    found = [(key, _marks(rows), _dense(rows)) for key, rows in selection.groups(points, ("moment", *conditions))]
    found.sort(
        key=lambda item: [_ordered(item[0], channel) for channel in (by.facet, by.colour, by.style, ("moment",))]
    )
    made = tuple(_curve(key, by, marks, dense) for key, marks, dense in found)
    return CurveSet(made, by, *(_levels([key for key, _, _ in found], names) for names in by))


def _curve(key: Mapping[str, Any], by: Channels, marks: tuple[BudgetMark, ...], dense: float | None) -> Curve:
    colour, style, facet = (level(key, names) for names in by)
    return Curve(key["moment"], str(key["reg"]), colour, style, facet, texts(key, key), marks, dense)


def level(key: Mapping[str, Any], names: Iterable[str]) -> str:
    """What a curve is by a channel; before retraining nothing of what has no say in it yet."""
    return words(key, [name for name in names if not (key["moment"] == "before" and name in RETRAINING)])


def over_seeds(curves: Iterable[Curve], single: str = "Marks: one seed each.") -> str:
    """What marks and bands are, for a caption; ``single`` where no curve has several seeds."""
    counts = {mark.y.n for curve in curves for mark in curve.marks}
    if counts == {1}:
        return single
    return f"Marks: mean over {extent(counts)} seeds; bands: from the lowest to the highest seed."


def budget_text(kind: str, value: float) -> str:
    """``density=0.1`` or ``quality=1.5``."""
    return f"{kind}={value:g}"


def _levels(keys: Iterable[Mapping[str, Any]], names: Sequence[str]) -> tuple[str, ...]:
    ordered = sorted(keys, key=lambda key: _ordered(key, names))
    return tuple(name for name in dict.fromkeys(level(key, names) for key in ordered) if name)


def _ordered(key: Mapping[str, Any], names: Iterable[str]) -> list[tuple[bool, bool, Any]]:
    """A key to sort by: what is absent first, then numbers, then texts; moments in their order."""
    values = [_MOMENTS.index(key[name]) if name == "moment" else key[name] for name in names]
    return [(value is not None, isinstance(value, str), 0 if value is None else value) for value in values]


def _dense(rows: pd.DataFrame) -> float | None:
    return None if rows["dense"].isna().any() else spread(rows["dense"]).mean


def _marks(rows: pd.DataFrame) -> tuple[BudgetMark, ...]:
    marks = [_mark(budget_text(*budget.values()), same) for budget, same in selection.groups(rows, frames.BUDGET)]
    return tuple(sorted(marks, key=lambda mark: (mark.x, mark.budget)))


def _mark(budget: str, same: pd.DataFrame) -> BudgetMark:
    runs, doubtful = tuple(sorted(same["run_id"])), int(same["doubtful"].sum())
    return BudgetMark(budget, spread(same["x"]).mean, spread(same["y"]), doubtful, runs)
