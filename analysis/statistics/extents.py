"""How far the y axis of a trade-off reaches, and which marks lie beyond the ends of its axes.

Knows numbers only, and no ink.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil, floor

from analysis.names import counted
from analysis.statistics import scoring
from analysis.statistics.curves import BudgetMark, Curve
from analysis.statistics.quantities import Quantity

#: The ends of an axis, the lower number first.
Ends = tuple[float, float]
#: The least that the axis shows, worst first, and the most below its best, in points for what is in percent, else in
#: per cent: what falls further is marked at the edge, for one collapsed network must not flatten all others.
LEAST: Mapping[str, tuple[float, float]] = {"points": (-1.5, 0.5), "%": (-20.0, 2.0)}
MOST: Mapping[str, float] = {"points": -12.0, "%": -100.0}


def of_y(curves: Sequence[Curve], y: Quantity, asked: Ends | None, least: Ends | None = None) -> Ends:
    """The ends of the axis, the lower number first.

    Scores and their changes reach as far as the retrained networks do, and at least from one end of ``least`` to the
    other; other numbers as far as any.
    """
    if asked:
        return asked
    marks = [(curve.moment, mark) for curve in curves for mark in curve.marks]
    if not y.better or y.measured is None:
        values = [end for _, mark in marks for end in (mark.y.low, mark.y.high)]
        values += [curve.dense for curve in curves if curve.dense is not None]
        low, high = min(values), max(values)
        margin = 0.05 * (high - low or abs(high) or 1.0)
        return low - margin, high + margin
    best = 0.0 if y.is_change else max((y.better * mark.y.mean for _, mark in marks), default=0.0)
    unit = 1.0 if y.is_change or y.unit == "%" else abs(best) / 100.0 or 1.0

    def gain(value: float) -> float:
        return (y.better * value - best) / unit

    (lowest, top), limit = least or LEAST[y.measured], MOST[y.measured]
    retrained = [gain(mark.y.mean) for moment, mark in marks if moment != "before"]
    retrained = retrained or [gain(mark.y.mean) for _, mark in marks]
    deepest = min((each for each in retrained if each >= limit / 1.1), default=min(retrained))  # all have collapsed
    highest = max(gain(end) for _, mark in marks for end in (mark.y.low, mark.y.high))
    ends = min(lowest, floor(2.2 * deepest) / 2), max(top, ceil(2.2 * highest) / 2)
    values = [y.better * (best + unit * end) for end in ends]
    return min(values), max(values)


def beyond(y: Quantity, limits: Ends, mark: BudgetMark) -> bool:
    """Whether a mark is worse than the axis reaches; of a quantity of which nobody knows the better, lower."""
    low, high = limits
    return mark.y.mean >= high if y.better < 0 else mark.y.mean <= low


def inside(limits: Ends, value: float) -> bool:
    """Whether a value is within both ends of an axis."""
    low, high = limits
    return low <= value <= high


def left_out(curves: Iterable[Curve], y: Quantity, x_ends: Ends, y_ends: Ends) -> Iterator[str]:
    """What of these curves the axes do not show, in sentences with the option that shows it."""
    marks = [mark for curve in curves for mark in curve.marks]
    within = [mark for mark in marks if inside(x_ends, mark.x)]
    if means := [mark.y.mean for mark in within if beyond(y, y_ends, mark)]:
        worst = max(means) if y.better < 0 else min(means)
        text = scoring.signed(worst) if y.is_change else f"{worst:.4g}"
        reached = f"{'up' if y.better < 0 else 'down'} to {text} {y.unit}".rstrip()
        yield f"Triangles at the edge: {counted(len(means), 'mark')} beyond it, {reached}; --ylim shows more."
    shown = [mark for mark in within if beyond(y, y_ends, mark) or inside(y_ends, mark.y.mean)]
    if outside := len(marks) - len(shown):
        yield f"{counted(outside, 'mark')} {'lie' if outside > 1 else 'lies'} outside of --xlim or --ylim."


def told(curves: Iterable[Curve]) -> str:
    """How far x and y reach, for a reader whose limits hold none of the marks."""
    marks = [mark for curve in curves for mark in curve.marks]
    x, y = [mark.x for mark in marks], [mark.y.mean for mark in marks]
    return f"x reaches from {min(x):g} to {max(x):g}, and y from {min(y):g} to {max(y):g} (--xlim, --ylim)"
