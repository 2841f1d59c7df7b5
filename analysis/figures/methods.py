"""Scores against compression and against theoretical speed-up, side by side: a line for each way to prune."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pandas as pd

from analysis.drawing import axes as axis
from analysis.drawing import ink, levels
from analysis.drawing.style import FAINT
from analysis.names import display_subject
from analysis.publishing.numbers import CsvRow, range_columns
from analysis.records.frames import Split
from analysis.statistics import extents, scoring
from analysis.statistics.conditions import joined, unsaid
from analysis.statistics.curves import Curve, over_seeds
from analysis.statistics.quantities import limits
from analysis.statistics.tradeoffs import Asked, Numbers, numbers
from pruneexp.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: What the panels are over.
ACROSS: tuple[str, ...] = ("compression", "speedup")
#: Triangles at the edge stand at so many heights, one curve above the other.
_STEPS = 6


class Methods(NamedTuple):
    """A panel for each of ``ACROSS``, with the same y axis; its ends, the lower number first."""

    panels: tuple[Numbers, ...]
    y: extents.Ends

    @property
    def curves(self) -> tuple[Curve, ...]:
        return self.panels[0].curves


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that scores are shown on"] = "test",
    metric: Annotated[str, "auto: the primary one, but top5 on imagenet, as in papers"] = scoring.AUTO,
    color: Annotated[str, "the column that colours stand for; without it, the first that differs"] = "",
    style: Annotated[str, "the column that markers stand for; without it, all others that differ"] = "",
    ylim: Annotated[str, "ends of the y axis, as LOW:HIGH"] = "",
) -> Methods:
    """The curves of one network on one data set after retraining, of mode ``prune`` if no option tells modes apart.

    Raises:
        UserError: there is a single curve, or what ``tradeoffs.numbers`` raises.
    """
    shown = scoring.shown(frame, metric)
    asked = Asked(split, metric, y=f"{split}.after.{shown.name}", log_x=True, color=color, style=style)
    made = tuple(numbers(frame, asked._replace(x=x)) for x in ACROSS)
    if len(made[0].curves) < 2:
        raise UserError("methods are compared, and a single one is logged: tradeoff shows it.")
    return Methods(made, extents.of_y(made[0].curves, made[0].y, limits("ylim", ylim)))


def rows(made: Methods) -> Iterator[CsvRow]:
    """One mark of one panel."""
    for panel in made.panels:
        for curve in panel.curves:
            for mark in curve.marks:
                yield {
                    "data": panel.data,
                    "model": panel.model,
                    "x_of": panel.x,
                    "y_of": panel.y.label,
                    "curve": curve.told,
                    "conditions": joined(curve.conditions),
                    "budget": mark.budget,
                    "x": mark.x,
                    **range_columns("y", mark.y),
                    "doubtful": mark.doubtful,
                    "runs": " ".join(mark.runs),
                }


def caption(made: Methods) -> str:
    first, marks = made.panels[0], [mark for curve in made.curves for mark in curve.marks]
    parts = [f"{first.y.title[0].upper()}{first.y.title[1:]}, against compression and theoretical speed-up."]
    parts += [over_seeds(made.curves), "Dotted: the dense networks."]
    parts += extents.left_out(made.curves, first.y, _span(first)[:2], made.y)
    if any(mark.doubtful for mark in marks):
        parts.append(scoring.crossed_out(first.metric))
    if first.hidden:
        parts.append("Networks pruned and retrained; --color mode shows other modes beside them.")
    return " ".join(filter(None, (*parts, unsaid((*first.family.colours, *first.family.styles)))))


def _span(panel: Numbers) -> axis.Span:
    return axis.span([mark.x for curve in panel.curves for mark in curve.marks], "log")


def draw(made: Methods) -> Figure:
    first = made.panels[0]
    entries = levels.legend(first.family.colours, first.family.styles)
    names = [name for name, _ in entries]
    title = display_subject(first.model, first.data)
    figure, page = ink.paper(title, len(made.panels), [names], caption(made), heading=3.0, between=5.0)
    for place, panel in enumerate(made.panels):
        axes = ink.panel(figure, page, place, panel.y.label)
        _panel(axes, panel, made.y)
        axes.set_xlabel(panel.x)  # of each its own, where they stand below each other, too
        ink.below(axes, page, place, panel.x, entries)
    return figure


def _panel(axes: Axes, panel: Numbers, ends: extents.Ends) -> None:
    span = _span(panel)
    axis.put_x(axes, span)
    axis.put_numbers(axes, span)
    axes.set_ylim(*(reversed(ends) if panel.y.better < 0 else ends))  # the better is up, whichever way that is
    axis.put_y(axes, None)
    for dense in {curve.dense for curve in panel.curves if curve.dense is not None}:
        ink.dotted(axes, dense, FAINT)
    for place, curve in enumerate(panel.curves):
        line = levels.line(panel.family.colours, panel.family.styles, curve.colour, curve.style, dashed=False)
        ink.means(axes, line, [mark.x for mark in curve.marks], [mark.y for mark in curve.marks])
        doubtful = [mark for mark in curve.marks if mark.doubtful]
        ink.crossed(axes, [mark.x for mark in doubtful], [mark.y.mean for mark in doubtful], ends)
        beyond = [mark.x for mark in curve.marks if extents.beyond(panel.y, ends, mark)]
        ink.at_edge(axes, line, beyond, [0.014 + 0.025 * (place % _STEPS)] * len(beyond))
