"""What the axes of a trade-off are of: columns of points by the words of the command line, with the axis' label.

Knows the columns of points, and neither a figure nor how an axis is drawn.
"""

from __future__ import annotations

import math
import re
import typing
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics.latencies import LATENCY, MeasuredColumn
from pruneexp.errors import UserError, guess
from pruneexp.schema import TOP1, TOP5, Metric

#: The column and the label of each choice of x that is not measured.
COSTS: dict[str, tuple[str, str]] = {
    "pruned": ("pruned", "parameters pruned away, %"),
    "compression": ("compression", "compression (all / kept)"),
    "speedup": ("speedup", "theoretical speed-up (FLOP, all / kept)"),
    "parameters": ("weights_kept", "parameters kept"),
    "flop": ("flop_effective", "FLOP left, for one example"),
    "bytes": ("bytes_sparse", "size, bytes"),
    "training_epochs": ("training_epochs", "epochs of training, with the dense network's"),
    "training_flop": ("training_flop", "FLOP of training, with the dense network's"),
    "added_epochs": ("added_epochs", "epochs after the dense network's"),
    "added_flop": ("added_flop", "FLOP of training after the dense network's"),
}
#: Choices of x that no network has before it is retrained.
OF_TRAINING: tuple[str, ...] = ("training_epochs", "training_flop", "added_epochs", "added_flop")
#: Choices of y that are not the name of a column: each has a value before retraining and one after it.
CHANGE, VALUE = "change", "value"
_MOMENTS = ("before", "after")
_NOT_NUMBERS = ("run_id", "started", "disconnected")


class Quantity(NamedTuple):
    """What y is: ``columns`` hold it, by the moment (``before`` or ``after`` retraining) that they are of.

    ``better`` is 1 where more is better, -1 where less is, and 0 where nobody knows. ``unit`` may be empty;
    ``measured`` is the unit of changes of a score, and None of another number; ``dense`` the column of what the dense
    network has, where y is a value.
    """

    name: str
    title: str
    unit: str
    better: int
    columns: tuple[tuple[str, str], ...]
    measured: str | None = None
    dense: str | None = None

    @property
    def label(self) -> str:
        """The title with its unit, as an axis has it."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    @property
    def is_change(self) -> bool:
        """Whether 0 is the dense network."""
        return self.measured is not None and self.dense is None


def cost(x: str) -> tuple[str, str]:
    """The column and the label of x.

    Raises:
        UserError: there is no such choice.
    """
    if x not in COSTS:
        known = (*COSTS, LATENCY)
        raise UserError(
            f"--x {x}: there are {', '.join(known)}, and what was measured, such as latency/removed.batch1"
            f"{guess(x, known)}."
        )
    return COSTS[x]


def measured(column: MeasuredColumn) -> Quantity:
    """What y is where it was measured: less is better."""
    return Quantity(column.column, column.title, column.unit, -1, (("after", column.column),), None, column.base)


def quantity(rows: pd.DataFrame, y: str, split: Split, metric: Metric) -> Quantity:
    """What y is by its word: ``change``, ``value``, or a column of numbers, ``test.after.loss`` for example.

    Raises:
        UserError: there is no such column.
    """
    if y in (CHANGE, VALUE):
        return _score(y, split, metric, _MOMENTS, is_change=y == CHANGE)
    known = numbers(rows)
    if y not in known:
        meant = guess(y, [CHANGE, VALUE, *known])
        raise UserError(f"--y {y}: points have no such number{meant or f'; {_some(known)}'}.")
    parts = re.fullmatch(r"(test|val)\.(change_)?(before|after)\.(.+)", y)
    if parts is None:
        return Quantity(y, y, "", 0, (("after", y),))
    of = next((each for each in (metric, TOP1, TOP5) if each.name == parts[4]), None)
    if of is None:
        return Quantity(y, y, "", 0, ((parts[3], y),))
    found = _score(y, parts[1], of, (parts[3],), is_change=bool(parts[2]))
    return found._replace(title=f"{found.title} {parts[3]} retraining")


def _score(name: str, split: str, metric: Metric, moments: Sequence[str], *, is_change: bool) -> Quantity:
    """The values of a metric at these moments, or their changes."""
    better = 1 if metric.direction == "maximize" else -1
    infix, title, unit = ("change_", " change", metric.change_unit) if is_change else ("", "", metric.unit)
    columns = tuple((when, f"{split}.{infix}{when}.{metric.name}") for when in moments)
    dense = None if is_change else f"{split}.dense.{metric.name}"
    return Quantity(name, f"{split} {metric.title}{title}", unit, better, columns, metric.change_unit, dense)


def numbers(rows: pd.DataFrame) -> list[str]:
    """The columns that hold a number of each point, not what it was made with."""
    without = {*frames.POINTS.identity, *_NOT_NUMBERS}
    return [name for name in rows.columns if name not in without and pd.api.types.is_numeric_dtype(rows[name])]


def column(rows: pd.DataFrame, option: str, name: str, more: tuple[str, ...] = ()) -> str:
    """The column that an option such as ``--color`` names: one that points are chosen by, or a text of the frame's own.

    Raises:
        UserError: there is no such column.
    """
    own = [each for each in rows.columns if each not in _OURS and not pd.api.types.is_numeric_dtype(rows[each])]
    known = list(dict.fromkeys((*frames.POINTS.identity, "experiment", *more, *own)))
    if name not in known:
        differing = [each for each in known if each in rows and rows[each].nunique(dropna=False) > 1]
        told = f"; these points differ in {', '.join(differing) or 'nothing'}"
        raise UserError(f"--{option} {name}: points have no such column{guess(name, known) or told}.")
    return name


_OURS = ("run_id", "collapsed", "disconnected", "undefined", "key")


def limits(option: str, text: str) -> tuple[float, float] | None:
    """The ends of an axis, of ``LOW:HIGH``; None where nothing is asked for.

    Raises:
        UserError: these are no two different numbers.
    """
    if not text:
        return None
    low, _, high = text.partition(":")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = math.nan, math.nan
    if not (math.isfinite(ends[0]) and math.isfinite(ends[1]) and ends[0] != ends[1]):
        raise UserError(f"--{option} takes two different numbers, for example --{option} -5:1; got {text!r}.")
    return min(ends), max(ends)


def _some(known: list[str]) -> str:
    splits = typing.get_args(Split)
    whole = [name for name in known if not name.startswith((*splits, "ledger"))]
    scores = [name for name in known if name.startswith(splits) and ".change_" not in name]
    words = ", ".join((CHANGE, VALUE, LATENCY, *whole))
    return f"there are {words}, scores such as {', '.join(scores[:3])}, and ledger columns"
