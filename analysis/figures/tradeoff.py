"""Change of accuracy, or of another metric, against parameters pruned away, as in Han et al. 2015, Figure 5."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pandas as pd

from analysis.drawing import axes as axis
from analysis.drawing import ink, levels
from analysis.drawing.axes import Span
from analysis.drawing.style import FAINT, Line, paper_line
from analysis.names import display_name, display_subject
from analysis.publishing.numbers import CsvRow, range_columns
from analysis.records.frames import Split
from analysis.statistics import digitised, extents, scoring
from analysis.statistics.conditions import joined, unsaid
from analysis.statistics.curves import Curve, over_seeds
from analysis.statistics.digitised import TradeoffFigure
from analysis.statistics.quantities import CHANGE, COSTS, limits
from analysis.statistics.tradeoffs import MODE, Asked, Numbers, numbers
from pruneexp.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The paper's axes: x from 40 to 100 %, y from +0.5 to -4.5 points.
PAPER_X, PAPER_Y = (40.0, 100.0), (-4.5, 0.5)
#: A measured axis reaches at least so far to both sides of what is not pruned, as a share of that.
NOISE = 0.1
_ORDER = (("l2", "before"), ("l1", "before"), ("l1", "after"), ("l2", "after"), ("l2", "rounds"), ("l1", "rounds"))
_WHEN = {True: "before retraining", False: "after retraining"}
#: Between two rows of panels, in sizes of the type.
_BETWEEN = 6.5
_MOMENTS = {"before": "w/o retrain", "after": "w/ retrain", "rounds": "iterative prune and retrain"}


class Tradeoff(NamedTuple):
    """Everything in the picture; ``y`` are the ends of its axis, the lower number first.

    ``as_in_paper`` says that the curves are L1 and L2 by moment, so that they look as the paper's.
    """

    numbers: Numbers
    as_in_paper: bool
    paper: TradeoffFigure | None
    x: Span
    y: tuple[float, float]

    @property
    def curves(self) -> tuple[Curve, ...]:
        return self.numbers.curves


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that scores are shown on"] = "test",
    metric: Annotated[str, "auto: the primary one, but top5 on imagenet, as in papers"] = scoring.AUTO,
    x: Annotated[str, "pruned, compression, speedup, parameters, flop, bytes, training_epochs, latency ..."] = "pruned",
    y: Annotated[str, "change or value of the metric, latency, or a column of numbers"] = CHANGE,
    log_x: Annotated[bool, "a logarithmic x axis"] = False,
    color: Annotated[str, "the column that colours stand for; without it, the first that differs"] = "",
    style: Annotated[str, "the column that markers stand for; without it, all others that differ"] = "",
    facet: Annotated[str, "the column with a panel for each of its values"] = "",
    xlim: Annotated[str, "ends of the x axis, as LOW:HIGH"] = "",
    ylim: Annotated[str, "ends of the y axis, as LOW:HIGH"] = "",
) -> Tradeoff:
    """The curves of one network on one data set, from its points of mode ``prune`` if no option tells modes apart.

    Without retraining only one-shot pruning counts: in later rounds the network has been retrained before.

    Raises:
        UserError: there is no such point or column, no point within the limits, or there are several networks, data
            sets or primary metrics.
    """
    asked = Asked(split, metric, x, y, log_x, color, style, facet, xlim, ylim)
    found = numbers(frame, asked)
    as_in_paper = _is_as_in_paper(found, asked)
    alone = (x, y) == ("pruned", CHANGE) and not (color or style or facet)
    paper = digitised.tradeoffs(found.model, found.metric, as_in_paper=as_in_paper) if alone else None
    own_axes = PAPER_Y if _is_papers_own(found, paper) else None
    y_ends = extents.of_y(found.curves, found.y, limits("ylim", ylim), own_axes)
    made = Tradeoff(found, as_in_paper, paper, _x_span(found, asked, paper), y_ends)
    if (xlim or ylim) and not any(
        extents.inside(made.x[:2], mark.x) and extents.inside(made.y, mark.y.mean)
        for curve in made.curves
        for mark in curve.marks
    ):
        raise UserError(f"no point lies within the limits: {extents.told(made.curves)}.")
    return made


def _is_as_in_paper(found: Numbers, asked: Asked) -> bool:
    """Whether the curves are those of the paper, L1 and L2 by moment, and no other look is asked for."""
    looks = [(curve.reg, curve.moment) for curve in found.curves]
    told = {name for channel in found.family.channels for name in channel}
    by_itself = not (asked.color or asked.style or asked.facet) and told <= {"reg", "schedule"}
    return by_itself and set(looks) <= set(_ORDER) and len(set(looks)) == len(looks)


def _is_papers_own(found: Numbers, paper: TradeoffFigure | None) -> bool:
    return paper is not None and found.data == paper.data


def _x_span(found: Numbers, asked: Asked, paper: TradeoffFigure | None) -> Span:
    """The paper's axis in its own figure; else one on which all marks stand, the paper's included."""
    ends, values = limits("xlim", asked.xlim), [mark.x for curve in found.curves for mark in curve.marks]
    values += [pruned for marks in (paper.curves if paper else {}).values() for pruned, _ in marks]
    if found.dense is not None:  # differences within the noise of a measurement are to look small
        values += [(1 - NOISE) * found.dense, (1 + NOISE) * found.dense]
    if _is_papers_own(found, paper) and not asked.log_x:
        left = min(PAPER_X[0], 10.0 * (min(values) // 10.0))
        return Span(*(ends or (left, PAPER_X[1])), "linear")
    scale: axis.Scale = "log" if asked.log_x else "linear"
    return axis.span(values, "remaining" if asked.x == "pruned" else scale, ends)


def label(made: Tradeoff, curve: Curve) -> str:
    """The name of a curve: in the paper's words, or by what tells it from the others."""
    if made.as_in_paper:
        return f"{curve.reg.upper()} {_MOMENTS[curve.moment]}"
    told = [part for part in (curve.facet, curve.colour, curve.style) if part]
    return ", ".join([*told, *([_WHEN[curve.moment == "before"]] if _are_both_moments(made) or not told else [])])


def look(made: Tradeoff, curve: Curve) -> Line:
    """The line of a curve."""
    if made.as_in_paper:
        return paper_line(curve.reg, curve.moment)
    family = made.numbers.family
    return levels.line(family.colours, family.styles, curve.colour, curve.style, dashed=curve.moment == "before")


def legend(made: Tradeoff) -> list[tuple[str, Line]]:
    """The entries of the legend: each curve as in the paper, else each level of what differs, once."""
    if made.as_in_paper:
        ordered = sorted(made.curves, key=lambda curve: _ORDER.index((curve.reg, curve.moment)))
        counts = len({curve.seeds for curve in ordered})
        names = [label(made, curve) + f" ({curve.seeds})" * (counts > 1) for curve in ordered]
        entries = [(name, look(made, curve)) for name, curve in zip(names, ordered, strict=True)]
    else:
        entries = levels.legend(made.numbers.family.colours, made.numbers.family.styles)
        told = {name for channel in made.numbers.family.channels for name in channel}
        if not entries or (_are_both_moments(made) and "moment" not in told):
            befores = [curve.moment == "before" for curve in made.curves]
            entries += levels.strokes(befores, (_WHEN[True], _WHEN[False]), alone=not entries)
    return [*entries, *([(made.paper.title, Line("#a8adb5", ""))] if made.paper else [])]


def _are_both_moments(made: Tradeoff) -> bool:
    return len({curve.moment == "before" for curve in made.curves}) > 1


def rows(made: Tradeoff) -> Iterator[CsvRow]:
    """One mark: what ``x`` and ``y`` are of, then the values; changes as ``Metric.change`` measures them."""
    found = made.numbers
    for curve in made.curves:
        for mark in curve.marks:
            yield {
                "source": "runs",
                "data": found.data,
                "model": found.model,
                "metric": found.metric.name,
                "x_of": found.x,
                "y_of": found.y.label,
                "curve": label(made, curve),
                "conditions": joined(curve.conditions),
                "budget": mark.budget,
                "x": mark.x,
                **range_columns("y", mark.y),
                "doubtful": mark.doubtful,
                "runs": " ".join(mark.runs),
            }
    if made.paper is None:
        return
    for name, marks in made.paper.curves.items():
        for pruned, change in marks:
            yield {
                "source": f"{made.paper.title} (digitised)",
                "data": made.paper.data,
                "model": made.paper.model,
                "metric": made.paper.metric,
                "x_of": found.x,
                "y_of": found.y.label,
                "curve": name,
                "conditions": "",
                "budget": "",
                "x": pruned,
                **range_columns("y", None),
                "y_mean": change,
                "doubtful": None,
                "runs": "",
            }


def caption(made: Tradeoff) -> str:
    found, marks = made.numbers, [mark for curve in made.curves for mark in curve.marks]
    title = f"{found.y.title[0].upper()}{found.y.title[1:]}" if found.y.better else f"The number {found.y.name}"
    parts = [f"{title}{_against(made)}."]
    if found.x == COSTS["pruned"][1]:
        parts.append("On top: compression.")
    parts.append(over_seeds(made.curves))
    if found.y.dense is not None and found.y.measured:
        parts.append("Dotted: the dense networks.")
    parts += found.notes
    parts += extents.left_out(made.curves, found.y, made.x[:2], made.y)
    if any(mark.doubtful for mark in marks):
        parts.append(scoring.crossed_out(found.metric))
    if found.lacking:
        parts.append(f"{found.lacking} point{'s have' if found.lacking > 1 else ' has'} no such number: left out.")
    if found.hidden:
        others = " and ".join(display_name("mode", mode) for mode in found.hidden)
        parts.append(f"Shown is {display_name('mode', MODE)}; --color mode shows {others} beside it.")
    if len(found.family.channels.style) > 1 and not found.family.facets:
        parts.append("--facet gives a panel to each value of one of these.")
    if unknown := unsaid((*found.family.colours, *found.family.styles, *found.family.facets)):
        parts.append(unknown)
    if made.paper:
        parts.append(f"Thin lines: {made.paper.title}, read off the image ({made.paper.of}).")
    return " ".join(parts)


def _against(made: Tradeoff) -> str:
    told = " against the dense network of the same seed" if made.numbers.y.is_change else ""
    if made.as_in_paper or _are_both_moments(made) or len(made.numbers.y.columns) == 1:
        return told
    return f"{told}, {_WHEN[made.curves[0].moment == 'before']}"


def draw(made: Tradeoff) -> Figure:
    found, entries = made.numbers, legend(made)
    facets = found.family.facets or ("",)
    figure, page = ink.paper(
        display_subject(found.model, found.data), len(facets), [[name for name, _ in entries]], caption(made),
        heading=6.0 if found.family.facets else 4.4, between=_BETWEEN,
    )  # fmt: skip
    for place, facet in enumerate(facets):
        axes = ink.panel(figure, page, place, found.y.label)
        _panel(axes, made, [curve for curve in made.curves if curve.facet == facet])
        figure.text(page.box(place)[0], page.over(place, 2.2), facet, weight="bold")
        ink.below(axes, page, place, found.x, entries)
    return figure


def _panel(axes: Axes, made: Tradeoff, curves: Sequence[Curve]) -> None:
    found = made.numbers
    axis.put_x(axes, made.x)
    axes.set_ylim(*(reversed(made.y) if found.y.better < 0 else made.y))  # the better is up, whichever way that is
    axis.put_y(axes, scoring.signed if found.y.is_change else None)
    if found.x == COSTS["pruned"][1]:
        axis.put_compression(axes, made.x)
    else:
        axis.put_numbers(axes, made.x)
    if found.dense is not None:
        ink.upright(axes, found.dense, FAINT)
    networks = {curve.dense: look(made, curve).colour for curve in curves if curve.dense is not None}
    for dense, colour in networks.items():
        ink.dotted(axes, dense, colour if len(networks) > 1 else FAINT)
    for name, marks in made.paper.curves.items() if made.paper else ():
        reg, moment = digitised.LOOKS[name]
        thin = paper_line(reg, moment) if reg else Line(FAINT, "", moment == "before")
        axes.plot(*zip(*marks, strict=True), color=thin.colour, alpha=0.4, linewidth=0.9,
                  linestyle=(0, (4, 3)) if thin.dashed else "solid", zorder=1.5)  # fmt: skip
    at_edge: Counter[str] = Counter()
    for curve in curves:
        _curve(axes, made, curve, at_edge)


def _curve(axes: Axes, made: Tradeoff, curve: Curve, at_edge: Counter[str]) -> None:
    """Band, line, and at the edge a triangle for each mark beyond it, above those that its budget has there."""
    line, y = look(made, curve), made.numbers.y
    ink.means(axes, line, [mark.x for mark in curve.marks], [mark.y for mark in curve.marks])
    beyond = [mark for mark in curve.marks if extents.beyond(y, made.y, mark)]
    ink.at_edge(axes, line, [mark.x for mark in beyond], [0.014 + 0.025 * at_edge[mark.budget] for mark in beyond])
    at_edge.update(mark.budget for mark in beyond)
    doubtful = [mark for mark in curve.marks if mark.doubtful]
    ink.crossed(axes, [mark.x for mark in doubtful], [mark.y.mean for mark in doubtful], made.y)
