"""What retraining leaves of the weights of dead units, which a penalty alone drives to zero (Han et al. 2015, 3.5)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from analysis.drawing import axes as axis
from analysis.drawing import ink, levels
from analysis.drawing.axes import Span
from analysis.names import display_subject
from analysis.publishing.numbers import CsvRow, range_columns
from analysis.records.measured_frames import UNITS
from analysis.statistics import extents, tradeoffs
from analysis.statistics.conditions import joined
from analysis.statistics.curves import Curve, over_seeds
from analysis.statistics.latencies import command
from analysis.statistics.tradeoffs import Asked, Numbers
from pruneexp.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The columns of the frame that is drawn: y, and the panels.
_LEFT, _PANEL = "mean |w|, % of before retraining", "side"
#: What weights there are, by their names in records; panels are in the order of these words.
_PANELS = {
    "into unread": "into unread units",
    "out of constant": "out of constant units",
    "live": "weights on live paths",
}


class DeadUnits(NamedTuple):
    """The curves, a panel for each kind of weight; ``counts`` are all weights of each over points, by its panel."""

    numbers: Numbers
    counts: tuple[tuple[str, int], ...]
    unmeasured: str


def data(frame: pd.DataFrame) -> DeadUnits:
    """Every curve whose points have dead units, by the kind of weight.

    Raises:
        UserError: no point is measured, or none of them has a dead unit.
    """
    if frame.empty:
        raise UserError("no point is logged, and the weights of dead units are those of pruned and retrained networks.")
    counts = {which: f"{UNITS}{which}.weights" for which in _PANELS}
    known = [column for column in counts.values() if column in frame]
    measured = frame[frame[known].notna().any(axis=1)] if known else frame[:0]
    if measured.empty:
        raise UserError(f"none of these points is measured: `{command(frame)}` does it.")
    found = {which: int(measured[column].sum()) for which, column in counts.items() if column in measured}
    if not any(found[which] for which in found if which != "live"):
        raise UserError(f"none of {len(measured)} measured points has a dead unit with weights: prune them further.")
    parts = [_part(measured, which) for which in found]
    rows = pd.concat(parts, ignore_index=True).dropna(subset=[_LEFT])
    lacking = len(frame) - len(measured)
    said = f"{lacking} of {len(frame)} points are not measured: {command(frame)} does it." if lacking else ""
    told = tuple((_PANELS[which], number) for which, number in found.items())
    return DeadUnits(tradeoffs.numbers(rows, Asked(y=_LEFT, facet=_PANEL)), told, said)


def _part(rows: pd.DataFrame, which: str) -> pd.DataFrame:
    """The rows with the panel of these weights, and how much is left of them."""
    before, made = rows[f"{UNITS}{which}.before"], rows.copy()
    made[_LEFT] = 100.0 * rows[f"{UNITS}{which}.after"] / before.where(before > 0.0, math.nan)
    made[_PANEL] = _PANELS[which]
    return made


def rows(made: DeadUnits) -> Iterator[CsvRow]:
    """The weights of one kind at one budget of one curve: their mean after retraining in % of that before it."""
    found = made.numbers
    for curve in found.curves:
        for mark in curve.marks:
            yield {
                "data": found.data,
                "model": found.model,
                "weights": curve.facet,
                "curve": curve.told,
                "conditions": joined(curve.conditions),
                "budget": mark.budget,
                "pruned": mark.x,
                **range_columns("left", mark.y),
                "runs": " ".join(mark.runs),
            }


def draw(made: DeadUnits) -> Figure:
    found, family = made.numbers, made.numbers.family
    entries, title = levels.legend(family.colours, family.styles), display_subject(found.model, found.data)
    names = [name for name, _ in entries]
    figure, page = ink.paper(title, len(family.facets), [names], caption(made), heading=6.0, between=6.5)
    x = axis.span([mark.x for curve in found.curves for mark in curve.marks], "remaining")
    for place, facet in enumerate(family.facets):
        axes = ink.panel(figure, page, place, found.y.label)
        figure.text(page.box(place)[0], page.over(place, 2.2), facet, weight="bold")
        _panel(axes, made, [curve for curve in found.curves if curve.facet == facet], x)
        ink.below(axes, page, place, found.x, entries)
    return figure


def _panel(axes: Axes, made: DeadUnits, curves: Sequence[Curve], x: Span) -> None:
    found, family = made.numbers, made.numbers.family
    axis.put_x(axes, x)
    axes.set_ylim(*extents.of_y(found.curves, found.y, None))
    axis.put_y(axes, None)
    axis.put_compression(axes, x)
    for curve in curves:
        line = levels.line(family.colours, family.styles, curve.colour, curve.style, dashed=False)
        ink.means(axes, line, [mark.x for mark in curve.marks], [mark.y for mark in curve.marks])


def caption(made: DeadUnits) -> str:
    over = over_seeds(made.numbers.curves, "One seed.")
    counts = ", ".join(f"{number:,} {panel}" for panel, number in made.counts).replace("weights ", "")
    why = (
        "Mean magnitude of kept weights after retraining, in % of that before it. No loss reaches weights into a "
        "unit of which every output is pruned; those out of a unit without inputs see the constant of its bias, "
        "zero after a ReLU where the bias is negative. What is left to change them is the penalty."
    )
    parts = [why, f"Weights over all points: {counts}.", "On top: compression.", over, made.unmeasured]
    return " ".join(part for part in parts if part)
