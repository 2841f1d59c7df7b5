"""Change of accuracy, or of another metric, with one layer pruned at a time, as in Han et al. 2015, Figure 6."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import pandas as pd

from analysis.drawing import panels, style
from analysis.paper import paper_numbers
from analysis.records.frames import SUBJECT
from analysis.statistics import layer_curves, scoring
from analysis.statistics.conditions import joined
from analysis.statistics.layer_curves import Layer, LevelMark, Panel, Way
from pruneexp.errors import UserError
from pruneexp.schema import TOP1, TOP5, Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MADE_OF = "scans"
#: The lower end of the y axis, by the unit of changes: in points that of the paper.
DEEPEST: Mapping[str, float] = {"points": -20.0, "%": -100.0}
MOST_WAYS = 3  # rows of panels that a page can hold
PANELS: dict[Panel, str] = {"conv": "Convolutional layers", "linear": "Fully connected layers"}
LEGEND: Mapping[str, Any] = {
    "loc": "upper left", "bbox_to_anchor": (-0.03, -panels.LEGEND / panels.HEIGHT), "borderaxespad": 0.0,
    "handlelength": 1.7, "handletextpad": 0.5, "columnspacing": 1.1, "fontsize": 8.0, "labelspacing": 0.35,
}  # fmt: skip
PAPER = "Han et al. 2015, Figure 6 (digitised)"


class PaperSensitivity(NamedTuple):
    """A layer of the paper's AlexNet: (percent of it pruned, points of change), read off its figure."""

    layer: str
    panel: Panel
    marks: tuple[tuple[float, float], ...]


class SensitivityCurves(NamedTuple):
    """Everything in the picture: a row of panels per way of scanning, a curve per layer. Scores are those on val."""

    data: str
    model: str
    metric: Metric
    ways: tuple[Way, ...]
    paper: tuple[PaperSensitivity, ...]


class SensitivityRow(NamedTuple):
    """One mark; changes as ``Metric.change`` measures them, ``pruned`` in percent, run ids separated by spaces.

    ``low`` and ``high`` are the band: over seeds where ``n`` > 1, else a 95 % bootstrap interval over the examples.
    """

    source: str
    data: str
    model: str
    split: str
    metric: str
    layer: str
    conditions: str
    level: str
    pruned: float
    change_mean: float
    change_std: float | None
    low: float | None
    high: float | None
    value_mean: float | None
    n: int | None
    runs: str


def data(
    frame: pd.DataFrame,
    *,
    metric: Annotated[str, "auto: the primary one, but top5 on imagenet, as in Figure 5"] = scoring.AUTO,
) -> SensitivityCurves:
    """The curves of one network on one data set; each way of scanning it by itself.

    Raises:
        UserError: there is no scan with this metric, there are several networks or data sets, or too many ways.
    """
    subjects = sorted(set(zip(*(frame[name] for name in SUBJECT), strict=True)))
    if not subjects:
        raise UserError("no sensitivity scan is logged: `python -m sweeps study=sensitivity` makes one.")
    if len(subjects) > 1:
        raise UserError(f"one figure shows one network on one data set, not {', '.join(map('/'.join, subjects))}.")
    ((dataset, model),) = subjects
    chosen = scoring.shown(frame, metric)
    rows = frame.dropna(subset=[f"change_{chosen.name}"])
    if rows.empty:
        raise UserError(f"no scan of {model} on {dataset} has a {chosen.title}.")
    made = layer_curves.ways(rows, chosen.name)
    if len(made) > MOST_WAYS:
        raise UserError(
            f"{model} on {dataset} was scanned in {len(made)} ways, and {MOST_WAYS} fit in one figure: choose with "
            f"--where by {', '.join(layer_curves.varying(rows))}."
        )
    return SensitivityCurves(dataset, model, chosen, made, _paper(model, chosen))


def _paper(model: str, metric: Metric) -> tuple[PaperSensitivity, ...]:
    if not model.startswith("alexnet") or metric not in (TOP1, TOP5):
        return ()
    marks: dict[str, list[tuple[float, float]]] = {}
    for number in paper_numbers("han2015_fig6_sensitivity"):
        if number.x is not None:
            marks.setdefault(number.row, []).append((number.x, number.value))
    return tuple(
        PaperSensitivity(layer, "conv" if layer.startswith("conv") else "linear", tuple(sorted(found)))
        for layer, found in marks.items()
    )


def runs(made: SensitivityCurves) -> tuple[str, ...]:
    return tuple(sorted({run for _, _, mark in _marks(made) for run in mark.runs}))


def rows(made: SensitivityCurves) -> Iterable[SensitivityRow]:
    for way, layer, mark in _marks(made):
        conditions = joined(way.conditions)
        where = "runs", made.data, made.model, "val", made.metric.name, layer.group, conditions, mark.level, mark.pruned
        numbers = mark.change.mean, mark.change.std, mark.low, mark.high, mark.value.mean, mark.change.n
        yield SensitivityRow(*where, *numbers, " ".join(mark.runs))
    for paper in made.paper:
        for pruned, change in paper.marks:
            subject = PAPER, "imagenet", "alexnet", "val", "", paper.layer, "", ""
            yield SensitivityRow(*subject, pruned, change, None, None, None, None, None, "")


def _marks(made: SensitivityCurves) -> Iterable[tuple[Way, Layer, LevelMark]]:
    return ((way, layer, mark) for way in made.ways for layer in way.layers for mark in layer.marks)


def caption(made: SensitivityCurves) -> str:
    counts = sorted({images for way in made.ways for images in way.images})
    example, outputs = scoring.words(made.metric)
    images = f", {counts[0]:,} {example}s" if len(counts) == 1 else ""
    changed = f"Change of {made.metric.title} on the val split{images}"
    how = f"when one layer is pruned and all others stay dense{_retraining(made)}"
    parts = [f"{changed}, against the dense network of the same seed, {how}.", _spread(made)]
    bottom, _ = limits(made)
    beyond = [gain for gain in _gains(made) if gain < bottom]
    if beyond:
        worst = scoring.worst(made.metric, min(beyond)).replace(".0 ", " ")
        parts.append(f"Below the picture: {len(beyond)} mark{'s' if len(beyond) > 1 else ''}, {worst}.")
    undefined = sum(mark.undefined > 0 for _, _, mark in _marks(made))
    if undefined:
        parts.append(
            f"{outputs.capitalize()} that are not numbers count as wrong answers, at {undefined} "
            f"mark{'s' if undefined > 1 else ''}."
        )
    if _compared(made):
        parts.append(
            "Thin lines: Han et al. 2015, Figure 6, read off the image (AlexNet on ImageNet, no retraining; it does "
            "not say whether top-1 or top-5)."
        )
    return " ".join(part for part in parts if part)


def _retraining(made: SensitivityCurves) -> str:
    epochs = {way.retrain_epochs for way in made.ways}
    if len(epochs) > 1:
        return ""  # each row of panels says it
    (count,) = epochs
    return f", retrained for {count} epoch{'s' if count > 1 else ''}" if count else ", without retraining"


def _spread(made: SensitivityCurves) -> str:
    counts = sorted({mark.change.n for _, _, mark in _marks(made)})
    seeds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    over_seeds = f"Marks: mean over {seeds} seeds; bands: from the lowest to the highest seed"
    over_images = f"95 % bootstrap intervals over the {scoring.words(made.metric)[0]}s"
    if counts == [1]:
        return f"Bands: {over_images}." if any(mark.low is not None for _, _, mark in _marks(made)) else ""
    return f"{over_seeds}, {over_images} where there is one seed." if counts[0] == 1 else f"{over_seeds}."


def _compared(made: SensitivityCurves) -> tuple[PaperSensitivity, ...]:
    """The paper's curves, where something here was scanned as the paper did: without retraining."""
    return made.paper if any(way.retrain_epochs == 0 for way in made.ways) else ()


def limits(made: SensitivityCurves) -> tuple[float, float]:
    """The y axis as gains, worst first: the paper's, less deep where nothing falls as far."""
    gains, deepest = _gains(made), DEEPEST[made.metric.change_unit]
    bottom = deepest if _compared(made) else max(deepest, min(-2.0, math.floor(1.15 * min(gains))))
    return bottom, max(-bottom / 20.0, math.ceil(2.2 * max(gains)) / 2)


def _gains(made: SensitivityCurves) -> list[float]:
    return [scoring.gain(made.metric, mark.change.mean) for _, _, mark in _marks(made)]


def draw(made: SensitivityCurves) -> Figure:
    from matplotlib.figure import Figure

    looks = _looks(made)
    handles = {panel: _handles(lines, made) for panel, lines in looks.items()}
    labels = {panel: [str(handle.get_label()) for handle in found] for panel, found in handles.items()}
    page = panels.page(len(made.ways), list(labels.values()), caption(made))
    figure = Figure(figsize=(page.width, page.height))
    left = panels.LEFT / page.width
    figure.text(left, 1.0 - 0.1 / page.height, f"{made.model} on {made.data}", va="top", size=11.0, weight="bold")
    for row, way in enumerate(made.ways):
        floor = page.below + page.step * (len(made.ways) - 1 - row)
        over = (floor + panels.HEIGHT + 0.3) / page.height
        figure.text(left, over, way.differing, size=9.0, color=style.FAINT)
        for column, panel in enumerate(looks):
            axes = figure.add_axes(page.box(column, floor))
            _panel(axes, made, way, panel, looks[panel])
            axes.tick_params(labelleft=column == 0)
            if column == 0:
                axes.set_ylabel(f"{made.metric.title} change, {made.metric.change_unit}")
            if row == len(made.ways) - 1:
                axes.set_xlabel("parameters of the layer pruned away, %")
                axes.legend(handles=handles[panel], ncols=page.columns(labels[panel]), **LEGEND)
    words = "\n".join(page.words)
    figure.text(left, 0.12 / page.height, words, size=7.5, color=style.FAINT, linespacing=1.4)
    return figure


def _looks(made: SensitivityCurves) -> dict[Panel, dict[str, style.Line]]:
    """For each panel that has a layer the lines of its layers, the same in every row."""
    found: dict[Panel, dict[str, style.Line]] = {}
    for panel in PANELS:
        groups = dict.fromkeys(layer.group for way in made.ways for layer in way.layers if layer.panel == panel)
        if groups:
            found[panel] = dict(zip(groups, style.sequence(len(groups)), strict=True))
    return found


def _panel(axes: Axes, made: SensitivityCurves, way: Way, panel: Panel, lines: dict[str, style.Line]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0.0, 100.0)
    axes.set_ylim(*(scoring.gain(made.metric, end) for end in limits(made)))  # the better is up
    axes.axhline(0.0, color=style.INK, linewidth=0.8, zorder=1.0)
    axes.yaxis.set_major_formatter(lambda value, _: scoring.signed(value).removesuffix(".0"))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=(1, 2, 5, 10)))
    axes.set_title(PANELS[panel], loc="left", size=9.0, weight="normal", pad=5.0)
    papers = [paper for paper in made.paper if paper.panel == panel] if way.retrain_epochs == 0 else []
    for paper, look in zip(papers, style.sequence(len(papers)), strict=True):
        axes.plot(*zip(*paper.marks, strict=True), color=look.colour, alpha=0.45, linewidth=0.8, zorder=1.5)
    for layer in way.layers:
        if layer.panel == panel:
            _curve(axes, layer, lines[layer.group])


def _curve(axes: Axes, layer: Layer, look: style.Line) -> None:
    """Band and line; the line starts at the dense network, where nothing is pruned and nothing changes."""
    banded = [(mark.pruned, scoring.drawn(mark.low), scoring.drawn(mark.high))
              for mark in layer.marks if mark.low is not None and mark.high is not None]  # fmt: skip
    if banded:
        pruned, low, high = zip(*banded, strict=True)
        axes.fill_between(pruned, low, high, color=look.colour, alpha=0.13, linewidth=0.0, zorder=2.0)
    x, y = [mark.pruned for mark in layer.marks], [scoring.drawn(mark.change.mean) for mark in layer.marks]
    axes.add_line(_line(look, [0.0, *x], [0.0, *y], markevery=slice(1, None)))


def _handles(lines: Mapping[str, style.Line], made: SensitivityCurves) -> list[Line2D]:
    from matplotlib.lines import Line2D

    found = [_line(look, label=group) for group, look in lines.items()]
    if _compared(made):
        found.append(Line2D([], [], color=style.FAINT, linewidth=0.8, label="the paper"))
    return found


def _line(
    look: style.Line,
    x: Sequence[float] = (),
    y: Sequence[float] = (),
    *,
    label: str = "",
    markevery: slice | None = None,
) -> Line2D:
    from matplotlib.lines import Line2D

    return Line2D(
        x,
        y,
        color=look.colour,
        linewidth=1.3,
        marker=look.marker,
        markersize=3.8,
        markerfacecolor=look.colour if look.filled else "white",
        markevery=markevery,
        label=label,
        zorder=3.0,
    )
