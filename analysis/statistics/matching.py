"""Which curves of two sides belong together: those that agree in all that both sides share.

What the sides differ in are the settings of which they have no value in common; in all others the curves of a pair
agree. Knows neither scores nor how a comparison is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.conditions import hashed, telling, text, words
from pruneexp.errors import UserError

#: The column that says to which side a point belongs; its values are what the user called the sides.
SIDE = "side"
#: All settings of a curve.
SETTINGS = (*frames.SUBJECT, "mode", *frames.CONDITIONS)
#: In these both curves of a pair agree: scores on other data, or by other metrics, are not comparable.
COMPARABLE = ("data", "task", "metric.name", "metric.unit", "metric.direction")

Key = Mapping[str, Any]


class CurvePair(NamedTuple):
    """A curve of the first side and one of the second, by their settings; they differ in ``differing``."""

    first: Key
    second: Key
    differing: tuple[str, ...]

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells a pair from all others."""
        return (*self.first.values(), *self.second.values())

    @property
    def sides(self) -> tuple[Key, Key]:
        """The settings of the first and of the second curve."""
        return self.first, self.second

    @property
    def named(self) -> tuple[str, ...]:
        """What a reader needs of ``differing``: settings that both curves have, by name; a hash only where none does.

        A strength in retraining that is that of training says nothing more.
        """
        names = [name for name in self.differing if None not in (self.first[name], self.second[name])]
        if all(key["reg_retrain_strength"] == key["reg_strength"] for key in self.sides):
            names = [name for name in names if name != "reg_retrain_strength"]
        return tuple(name for name in names if not hashed(name)) or telling(self.sides, self.differing)


class Matching(NamedTuple):
    """All pairs, and the curves of each side that have no partner."""

    pairs: tuple[CurvePair, ...]
    alone: tuple[tuple[Key, ...], tuple[Key, ...]]


def matching(points: pd.DataFrame) -> Matching:
    """The curves of two sides, matched. One curve may be the partner of several, of which it is the common baseline.

    Raises:
        UserError: no curve has a partner, or it is not clear which of several is whose.
    """
    first, second = (selection.combinations(rows, SETTINGS) for _, rows in points.groupby(SIDE, sort=False))
    names = tuple(points[SIDE].unique())
    pairs = tuple(_pairs(first, second, names))
    if not pairs:
        raise UserError(_no_pair(first, second, names))
    partners = [{id(key) for pair in pairs for key in pair.sides}]
    alone = tuple(tuple(key for key in keys if id(key) not in partners[0]) for keys in (first, second))
    return Matching(pairs, (alone[0], alone[1]))


def of_curve(points: pd.DataFrame, side: str, key: Key) -> pd.DataFrame:
    """The points of one curve of a side."""
    rows = points[points[SIDE] == side]
    for name, value in key.items():
        rows = rows[rows[name].isna() if value is None else rows[name] == value]
    return rows


def _pairs(first: Sequence[Key], second: Sequence[Key], names: Sequence[str]) -> Iterator[CurvePair]:
    comparable = (*COMPARABLE, *(() if "model" in _disjoint(first, second, ("model",)) else ("model",)))
    for ours, theirs in _shared(first, second, comparable):
        differing = _disjoint(ours, theirs, SETTINGS)
        agreeing = [name for name in SETTINGS if name not in differing]
        for same, others in _shared(ours, theirs, agreeing):
            if len(same) > 1 and len(others) > 1:
                raise UserError(_ambiguous(same, others, differing, names))
            yield from (CurvePair(one, other, differing) for one in same for other in others)


def _shared(first: Sequence[Key], second: Sequence[Key], by: Sequence[str]) -> Iterator[tuple[list[Key], list[Key]]]:
    """The curves of both sides that agree in these settings, for each combination of values that both have."""
    ours, theirs = (grouped(keys, by) for keys in (first, second))
    yield from ((keys, theirs[values]) for values, keys in ours.items() if values in theirs)


def grouped(keys: Iterable[Key], by: Sequence[str]) -> dict[tuple[Any, ...], list[Key]]:
    """The curves by their values of these settings."""
    found: dict[tuple[Any, ...], list[Key]] = {}
    for key in keys:
        found.setdefault(tuple(key[name] for name in by), []).append(key)
    return found


def _disjoint(first: Iterable[Key], second: Iterable[Key], among: Iterable[str]) -> tuple[str, ...]:
    """Settings of which the sides have no value in common."""
    ours, theirs = list(first), list(second)
    return tuple(name for name in among if {key[name] for key in ours}.isdisjoint({key[name] for key in theirs}))


def _ambiguous(same: Sequence[Key], others: Sequence[Key], differing: Sequence[str], names: Sequence[str]) -> str:
    told = dict.fromkeys((*telling(same, differing), *telling(others, differing)))
    values = "; ".join(f"{name} is {', '.join(dict.fromkeys(text(key[name]) for key in (*same, *others)))}"
                       for name in told)  # fmt: skip
    return (
        f"{names[0]} holds {len(same)} curves that may be compared with any of {len(others)} of {names[1]}: choose by "
        f"{', '.join(told)} ({values})."
    )


def _no_pair(first: Sequence[Key], second: Sequence[Key], names: Sequence[str]) -> str:
    for name in COMPARABLE:
        if _disjoint(first, second, (name,)):
            ours, theirs = (", ".join(dict.fromkeys(text(key[name]) for key in keys)) for keys in (first, second))
            noun = "data" if name == "data" else "metrics"
            return (
                f"the sides share no point: {names[0]} has {name} {ours} and {names[1]} {theirs}, and scores on "
                f"different {noun} are not compared."
            )
    examples = "; ".join(f"{side} has, for example, {words(keys[0], telling([*first, *second], SETTINGS))}"
                         for side, keys in zip(names, (first, second), strict=True))  # fmt: skip
    return f"no curve of {names[0]} agrees with one of {names[1]} in the settings that both sides have: {examples}."
