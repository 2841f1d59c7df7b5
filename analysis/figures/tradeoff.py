"""Change of accuracy, or of another metric, against parameters pruned away, as in Han et al. 2015, Figure 5."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pandas as pd

from analysis.drawing import style
from analysis.paper import paper_numbers
from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import scoring
from analysis.statistics.conditions import joined
from analysis.statistics.curves import Curve, curves
from analysis.statistics.moments import of_curves
from pruneexp.errors import UserError
from pruneexp.schema import TOP1, TOP5, Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

#: The paper's axes: x from 40 to 100 %, y from +0.5 to -4.5 points.
PAPER_X = 40.0
PAPER_Y = (-4.5, 0.5)
#: The least that the y axis shows, and the most below the dense network, by the unit of changes: what falls further is
#: marked at the edge, for one collapsed network must not flatten all others.
AXES: Mapping[str, tuple[tuple[float, float], float]] = {"points": (PAPER_Y, -12.0), "%": ((-20.0, 2.0), -100.0)}
RATES = (2, 3, 5, 10, 20, 50)  # the second axis on top

_ORDER = (("l2", "before"), ("l1", "before"), ("l1", "after"), ("l2", "after"), ("l2", "rounds"))
_REGULARIZERS = {"l1": "L1", "l2": "L2", "l1_then_l2": "L1 then L2", "none": "no penalty"}
_MOMENTS = {"before": "w/o retrain", "after": "w/ retrain", "rounds": "iterative prune and retrain"}
_PAPER = {
    "L2 w/o retrain": ("l2", "before"),
    "L1 w/o retrain": ("l1", "before"),
    "L1 w/ retrain": ("l1", "after"),
    "L2 w/ retrain": ("l2", "after"),
    "L2 w/ iterative prune and retrain": ("l2", "rounds"),
}


class PaperTradeoff(NamedTuple):
    """A curve of the paper: (percent pruned, points of change), read off its figure."""

    label: str
    style: tuple[str, str]
    marks: tuple[tuple[float, float], ...]


class Tradeoff(NamedTuple):
    """Everything in the picture; the style of a curve is its (regularizer, moment)."""

    data: str
    model: str
    split: Split
    metric: Metric
    curves: tuple[Curve, ...]
    paper: tuple[PaperTradeoff, ...]


class TradeoffRow(NamedTuple):
    """One mark; changes as ``Metric.change`` measures them, ``pruned`` in percent, run ids separated by spaces."""

    source: str
    data: str
    model: str
    split: str
    metric: str
    curve: str
    conditions: str
    budget: str
    pruned: float
    change_mean: float
    change_std: float | None
    change_min: float | None
    change_max: float | None
    value_mean: float | None
    n: int | None
    doubtful: int | None
    runs: str


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that scores are shown on"] = "test",
    metric: Annotated[str, "auto: the primary one, but top5 on imagenet, as in papers"] = scoring.AUTO,
) -> Tradeoff:
    """The curves of one network on one data set, from its points of mode ``prune``.

    Without retraining only one-shot pruning counts: in later rounds the network has been retrained before.

    Raises:
        UserError: there is no such point, or there are several networks, data sets or primary metrics.
    """
    points = frame[frame["mode"] == "prune"]
    subjects = sorted(set(zip(points["data"], points["model"], strict=True)))
    if not subjects:
        raise UserError("no point of mode prune is logged, and the trade-off shows pruned and retrained networks.")
    if len(subjects) > 1:
        raise UserError(f"one trade-off shows one network on one data set, not {', '.join(map('/'.join, subjects))}.")
    ((dataset, model),) = subjects
    chosen = scoring.shown(points, metric)
    moments = of_curves(points, split, chosen.name)
    if moments.empty:
        raise UserError(f"no point of {model} on {dataset} has a {chosen.title} on the {split} split.")
    conditions = tuple(name for name in frames.CONDITIONS if name != "reg")
    made = curves(moments, ("reg", "moment"), conditions, rank=_rank)
    return Tradeoff(dataset, model, split, chosen, made, _paper(model, chosen))


def _rank(look: tuple[str, ...]) -> int:
    return [*_ORDER, look].index(look)


def _paper(model: str, metric: Metric) -> tuple[PaperTradeoff, ...]:
    if not model.startswith("alexnet") or metric not in (TOP1, TOP5):
        return ()
    digitised = paper_numbers("han2015_fig5_tradeoff")
    found = []
    for label, look in _PAPER.items():
        marks = [(number.x, number.value) for number in digitised if number.method == label and number.x is not None]
        found.append(PaperTradeoff(label, look, tuple(sorted(marks))))
    return tuple(found)


def label(curve: Curve) -> str:
    """The curve's name in the paper's words."""
    reg, moment = curve.style
    name = f"{_REGULARIZERS.get(reg, reg)} {_MOMENTS[moment]}"
    return f"{name}, {curve.differing}" if curve.differing else name


def runs(made: Tradeoff) -> tuple[str, ...]:
    return tuple(sorted({run for curve in made.curves for mark in curve.marks for run in mark.runs}))


def rows(made: Tradeoff) -> Iterable[TradeoffRow]:
    subject = (made.data, made.model, made.split, made.metric.name)
    for curve in made.curves:
        conditions = joined(curve.conditions)
        for mark in curve.marks:
            change = mark.change
            where = ("runs", *subject, label(curve), conditions, mark.budget)
            numbers = (change.mean, change.std, change.low, change.high, mark.value.mean)
            yield TradeoffRow(*where, mark.pruned, *numbers, change.n, mark.doubtful, " ".join(mark.runs))
    for paper in made.paper:
        for pruned, change_mean in paper.marks:
            where = ("Han et al. 2015, Figure 5 (digitised)", "imagenet", "alexnet", "val", "top5", paper.label, "", "")
            yield TradeoffRow(*where, pruned, change_mean, None, None, None, None, None, None, "")


def caption(made: Tradeoff) -> str:
    bottom, _ = limits(made)
    parts = [
        f"Change of {made.metric.title} on the {made.split} split",
        "against the dense network of the same seed.",
    ]
    if any(mark.change.n > 1 for curve in made.curves for mark in curve.marks):
        parts.append("Marks: mean over n seeds; bands: from the lowest to the highest seed.")
    beyond = [
        gain for curve in made.curves for mark in curve.marks if (gain := _gain(made, mark.change.mean)) <= bottom
    ]
    if beyond:
        parts.append(
            f"Triangles at the lower edge: {len(beyond)} mark{'s' if len(beyond) > 1 else ''} beyond it, "
            f"{scoring.worst(made.metric, min(beyond))}."
        )
    if any(mark.doubtful for curve in made.curves for mark in curve.marks):
        example, outputs = scoring.words(made.metric)
        parts.append(
            f"Crossed out: some of these networks give the same outputs for every {example}, or {outputs} that are not "
            "numbers."
        )
    if made.paper:
        parts.append("Thin lines: Han et al. 2015, Figure 5, read off the image (AlexNet, ImageNet, top-5).")
    return " ".join(parts)


def limits(made: Tradeoff) -> tuple[float, float]:
    """The y axis as gains, worst first: the paper's, widened for what the retrained networks do, as ``AXES`` has it."""
    (lowest, top), limit = AXES[made.metric.change_unit]
    marks = [(curve.style[1], mark.change) for curve in made.curves for mark in curve.marks]
    retrained = [_gain(made, change.mean) for moment, change in marks if moment != "before"]
    retrained = retrained or [_gain(made, change.mean) for _, change in marks]
    deepest = min((gain for gain in retrained if gain >= limit / 1.1), default=0.0)
    highest = max(_gain(made, end) for _, change in marks for end in (change.low, change.high))
    return min(lowest, math.floor(2.2 * deepest) / 2), max(top, math.ceil(2.2 * highest) / 2)


def _gain(made: Tradeoff, change: float) -> float:
    return scoring.gain(made.metric, change)


def draw(made: Tradeoff) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    words = textwrap.wrap(caption(made), 118)
    handles = [_handle(curve) for curve in made.curves]
    if made.paper:
        handles.append(Line2D([], [], color=style.FAINT, alpha=0.7, linewidth=0.9, label="Han et al. 2015, Fig. 5"))
    aside = len(handles) > 7  # a long legend stands beside the axes, a short one inside, where the curves are flat
    longest = max(len(str(handle.get_label())) for handle in handles)
    width, below = 7.3 + (0.7 + 0.072 * longest) * aside, 0.1 + 0.165 * len(words)  # inches
    total = below + 4.6
    figure = Figure(figsize=(width, total))
    axes = figure.add_axes((0.72 / width, (below + 0.5) / total, 6.35 / width, 3.5 / total))
    _frame(axes, made)
    for paper in made.paper:
        colour = style.line(*paper.style).colour
        dashes = (0, (4, 3)) if paper.style[1] == "before" else "solid"
        axes.plot(*zip(*paper.marks, strict=True), color=colour, alpha=0.4, linewidth=0.9, linestyle=dashes, zorder=1.5)
    for level, curve in enumerate(made.curves):
        _curve(axes, made, curve, level)
    place = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.0)} if aside else {"loc": "lower left"}
    axes.legend(handles=handles, handlelength=2.8, **place)
    figure.text(0.72 / width, 0.12 / total, "\n".join(words), fontsize=7.5, color=style.FAINT, linespacing=1.4)
    return figure


def _frame(axes: Axes, made: Tradeoff) -> None:
    leftmost = min(mark.pruned for curve in made.curves for mark in curve.marks)
    left = min(PAPER_X, 10.0 * math.floor(leftmost / 10.0))
    axes.set_xlim(left, 100.0)
    axes.set_ylim(*(_gain(made, end) for end in limits(made)))  # the better is up, whichever way that is
    axes.axhline(0.0, color=style.INK, linewidth=0.8, zorder=1.0)
    axes.set_xlabel("parameters pruned away, %")
    axes.set_ylabel(f"{made.metric.title} change, {made.metric.change_unit}")
    axes.yaxis.set_major_formatter(lambda value, _: scoring.signed(value))
    axes.set_title(f"{made.model} on {made.data}", pad=25)
    rates = axes.secondary_xaxis("top")
    rates.set_xticks([100.0 * (1.0 - 1.0 / rate) for rate in RATES], [f"{rate}×" for rate in RATES])
    rates.tick_params(colors=style.FAINT, labelsize=8.0, length=3.0)
    rates.spines["top"].set_visible(False)
    axes.annotate(
        "compression",
        xy=(0.0, 1.0),
        xycoords="axes fraction",
        xytext=(0.0, 7.5),
        textcoords="offset points",
        color=style.FAINT,
        fontsize=8.0,
    )


def _curve(axes: Axes, made: Tradeoff, curve: Curve, level: int) -> None:
    """Band, line, and at the lower edge, on a ``level`` of the curve's own, a triangle for each mark beyond it."""
    reg, moment = curve.style
    line = style.line(reg, moment, curve.variant)
    x = [mark.pruned for mark in curve.marks]
    y = [scoring.drawn(mark.change.mean) for mark in curve.marks]
    if any(mark.change.n > 1 for mark in curve.marks):
        low = [scoring.drawn(mark.change.low) for mark in curve.marks]
        high = [scoring.drawn(mark.change.high) for mark in curve.marks]
        axes.fill_between(x, low, high, color=line.colour, alpha=0.12, linewidth=0.0, zorder=2.0)
    axes.add_line(_handle(curve, x, y))
    bottom, top = limits(made)
    gains = [_gain(made, mark.change.mean) for mark in curve.marks]
    crossed = [(mark.pruned, _gain(made, max(gain, bottom)))
               for mark, gain in zip(curve.marks, gains, strict=True) if mark.doubtful]  # fmt: skip
    if crossed:
        axes.plot(
            *zip(*crossed, strict=True), linestyle="none", marker="x", markersize=9.0, color=style.INK, zorder=5.0
        )
    beyond = [pruned for pruned, gain in zip(x, gains, strict=True) if gain <= bottom]
    height = [_gain(made, bottom + (0.012 + 0.022 * level) * (top - bottom))] * len(beyond)
    axes.plot(beyond, height, linestyle="none", marker="v", markersize=4.0, color=line.colour, zorder=4.0)


def _handle(curve: Curve, x: Iterable[float] = (), y: Iterable[float] = ()) -> Line2D:
    from matplotlib.lines import Line2D

    reg, moment = curve.style
    line = style.line(reg, moment, curve.variant)
    return Line2D(
        list(x),
        list(y),
        color=line.colour,
        linestyle=(0, (4, 2)) if line.dashed else "solid",
        linewidth=1.6,
        marker=line.marker,
        markersize=5.5,
        markeredgewidth=1.3,
        markerfacecolor=line.colour if line.filled else "white",
        label=f"{label(curve)} ({curve.seeds})",
        zorder=3.0,
    )
