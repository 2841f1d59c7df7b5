"""The metric that a publication shows of its records, and how a reader is told of it.

Knows the columns of records, and no figure or table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, overload

import pandas as pd

from analysis.records import frames
from pruneexp.errors import UserError
from pruneexp.schema import TOP1, TOP5, Metric

if TYPE_CHECKING:
    from analysis.statistics.inference import Comparison  # which loads scipy: a second that figures do not need

AUTO = "auto"


def primary(rows: pd.DataFrame) -> Metric:
    """The metric that rows are judged by; top-1 accuracy where there are none.

    Raises:
        UserError: they are judged by several.
    """
    known = frames.primaries(rows) or [TOP1]
    if len(known) > 1:
        names = ", ".join(metric.name for metric in known)
        raise UserError(f"the records are judged by {names}: choose with --where by metric.name.")
    return known[0]


def shown(rows: pd.DataFrame, name: str = AUTO) -> Metric:
    """The metric of this name; ``auto`` is the primary one, but top-5 accuracy on imagenet, as papers have it.

    Raises:
        UserError: the rows are judged by several, or no record says what the metric is.
    """
    if name == AUTO:
        metric = primary(rows)
        return TOP5 if metric == TOP1 and set(rows["data"]) == {"imagenet"} else metric
    known = frames.primaries(rows) or [TOP1]
    found = [metric for metric in dict.fromkeys((*known, TOP1, TOP5)) if metric.name == name]
    if not found:
        raise UserError(f"--metric={name}: the records are judged by {', '.join(metric.name for metric in known)}.")
    return found[0]


def judged(rows: pd.DataFrame, name: str = AUTO) -> Metric:
    """The metric of this name by which verdicts are; ``auto`` is the primary one. Raises as ``shown`` does."""
    return primary(rows) if name == AUTO else shown(rows, name)


def with_unit(metric: Metric, heading: str) -> str:
    """The heading of values of a metric, with its unit where it has one: ``test accuracy, %``."""
    return f"{heading}, {metric.unit}" if metric.unit else heading


def values_of(metric: Metric) -> str:
    """Several values of a metric, in sentences: ``accuracies``, ``values of perplexity``."""
    return "accuracies" if metric in (TOP1, TOP5) else f"values of {metric.name}"


def amount(metric: Metric, value: float) -> str:
    """So much of a change: ``1 point``, ``0.5 points``, ``2 %``."""
    return f"{value:g} {'point' if value == 1.0 and metric.change_unit == 'points' else metric.change_unit}"


def amounts(metric: Metric, values: Iterable[float]) -> str:
    """Several of them, each once: ``0.5 points or 1 point``."""
    return " or ".join(amount(metric, value) for value in sorted(set(values)))


def bound(metric: Metric, loss: float) -> str:
    """How far a value may be from another one: ``at most 0.5 points below``, ``at most 2 % above``."""
    return f"at most {amount(metric, loss)} {'below' if metric.direction == 'maximize' else 'above'}"


@overload
def gain(metric: Metric, change: float) -> float: ...
@overload
def gain(metric: Metric, change: pd.Series[float]) -> pd.Series[float]: ...
def gain(metric: Metric, change: float | pd.Series[float]) -> float | pd.Series[float]:
    """A change, or each of many, positive where it is for the better; of values, the more the better they are."""
    return change if metric.direction == "maximize" else -change


def worst(metric: Metric, by: float) -> str:
    """How far the worst change reaches, from its gain: ``down to −81.5 points``, ``up to +350.0 %``."""
    change = gain(metric, by)
    return f"{'down' if change < 0 else 'up'} to {signed(change)} {metric.change_unit}"


def words(metric: Metric) -> tuple[str, str]:
    """What an example and the outputs for it are called where a metric is shown."""
    return ("image", "logits") if metric in (TOP1, TOP5) else ("example", "outputs")


def crossed_out(metric: Metric) -> str:
    """What a cross over a mark says, for a caption."""
    example, outputs = words(metric)
    return (
        f"Crossed out: some of these networks give the same outputs for every {example}, or {outputs} that are not "
        "numbers."
    )


def signed(value: float, digits: int = 1) -> str:
    """A change with its sign and one decimal, by a minus as print has it; 0 where that is zero."""
    return f"{value:+.{digits}f}".replace("-", "−") if round(value, digits) else "0"


def as_changes(of: Comparison, metric: Metric) -> Comparison:
    """What compares gains, with the changes of the metric in their place."""
    if of.low is None or of.high is None:
        return of._replace(mean=gain(metric, of.mean))
    low, high = sorted(gain(metric, end) for end in (of.low, of.high))
    return of._replace(mean=gain(metric, of.mean), low=low, high=high)


def with_interval(of: Comparison) -> str:
    """A mean gain with its 95 % interval: ``+1.99 [+0.21, +3.77]``; the mean alone where one seed gives no interval."""
    if of.low is None or of.high is None:
        return signed(of.mean, 2)
    return f"{signed(of.mean, 2)} [{signed(of.low, 2)}, {signed(of.high, 2)}]"
