"""Change of accuracy, or of another metric, with one layer pruned at a time, as in Han et al. 2015, Figure 6."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pandas as pd

from analysis.drawing import axes as axis
from analysis.drawing import ink, panels
from analysis.drawing.style import FAINT, Line, page_width, sequence, type_size
from analysis.names import counted, display_subject, extent
from analysis.publishing.numbers import CsvRow, spread_columns
from analysis.statistics import digitised, layer_curves, scoring, selection
from analysis.statistics.conditions import joined, unsaid
from analysis.statistics.digitised import Marks
from analysis.statistics.layer_curves import LayerCurve, LevelMark, Panel, Way
from pruneexp.errors import UserError
from pruneexp.schema import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MADE_OF = "scans"
#: The lower end of the y axis, by the unit of changes: in points that of the paper.
DEEPEST: Mapping[str, float] = {"points": -20.0, "%": -100.0}
MOST_WAYS = 3  # rows of panels that a page can hold
NARROW = 5.0  # inches of a page on which panels stand below each other
PANELS: dict[Panel, str] = {
    "conv": "Convolutional layers",
    "linear": "Fully connected layers",
    "other": "Other layers",
}


class SensitivityCurves(NamedTuple):
    """Everything in the picture: a row of panels per way of scanning, a curve per layer. Scores are those on val."""

    data: str
    model: str
    metric: Metric
    ways: tuple[Way, ...]
    paper: Mapping[str, Marks]


def data(
    frame: pd.DataFrame,
    *,
    metric: Annotated[str, "auto: the primary one, but top5 on imagenet, as in Figure 5"] = scoring.AUTO,
) -> SensitivityCurves:
    """The curves of one network on one data set; each way of scanning it by itself.

    Raises:
        UserError: there is no scan with this metric, there are several networks or data sets, or too many ways.
    """
    lacking = "no sensitivity scan is logged: `python -m sweeps study=sensitivity` makes one."
    dataset, model = selection.one_subject(frame, "figure", lacking)
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
    return SensitivityCurves(dataset, model, chosen, made, digitised.sensitivities(model, chosen))


def rows(made: SensitivityCurves) -> Iterator[CsvRow]:
    """One mark; changes as ``Metric.change`` measures them, ``pruned`` in percent.

    ``low`` and ``high`` are the band: over seeds where ``n`` > 1, else a 95 % bootstrap interval over the examples.
    """
    for way, layer, mark in _marks(made):
        yield {
            "source": "runs",
            "data": made.data,
            "model": made.model,
            "split": "val",
            "metric": made.metric.name,
            "layer": layer.group,
            "conditions": joined(way.conditions),
            "level": mark.level,
            "pruned": mark.pruned,
            **spread_columns("change", mark.change),
            "low": mark.low,
            "high": mark.high,
            "value_mean": mark.value.mean,
            "n": mark.change.n,
            "runs": " ".join(mark.runs),
        }
    for name, marks in made.paper.items():
        for pruned, change in marks:
            yield {
                "source": f"{digitised.FIGURE_6} (digitised)",
                "data": "imagenet",
                "model": "alexnet",
                "split": "val",
                "metric": "",
                "layer": name,
                "conditions": "",
                "level": "",
                "pruned": pruned,
                "change_mean": change,
                **dict.fromkeys(("change_std", "low", "high", "value_mean", "n")),
                "runs": "",
            }


def _marks(made: SensitivityCurves) -> Iterable[tuple[Way, LayerCurve, LevelMark]]:
    return ((way, layer, mark) for way in made.ways for layer in way.layers for mark in layer.marks)


def caption(made: SensitivityCurves) -> str:
    counts = sorted({images for way in made.ways for images in way.images})
    example, outputs = scoring.words(made.metric)
    images = f", {counts[0]:,} {example}s" if len(counts) == 1 else ""
    changed = f"Change of {made.metric.title} on the val split{images}"
    how = f"when one layer is pruned and all others stay dense{_retraining(made)}"
    parts = [f"{changed}, against the dense network of the same seed, {how}.", _spread(made)]
    bottom, _ = limits(made)
    if beyond := [gain for gain in _gains(made) if gain < bottom]:
        worst = scoring.worst(made.metric, min(beyond)).replace(".0 ", " ")
        parts.append(f"Below the picture: {counted(len(beyond), 'mark')}, {worst}.")
    undefined = sum(mark.undefined > 0 for _, _, mark in _marks(made))
    if undefined:
        marks = counted(undefined, "mark")
        parts.append(f"{outputs.capitalize()} that are not numbers count as wrong answers, at {marks}.")
    if _compared(made):
        parts.append(
            f"Thin lines: {digitised.FIGURE_6}, read off the image (AlexNet on ImageNet, no retraining; it does not "
            "say whether top-1 or top-5)."
        )
    parts.append(unsaid(way.differing for way in made.ways))
    return " ".join(part for part in parts if part)


def _retraining(made: SensitivityCurves) -> str:
    epochs = {way.retrain_epochs for way in made.ways}
    if len(epochs) > 1:
        return ""  # each row of panels says it
    (count,) = epochs
    return f", retrained for {counted(count, 'epoch')}" if count else ", without retraining"


def _spread(made: SensitivityCurves) -> str:
    counts = sorted({mark.change.n for _, _, mark in _marks(made)})
    over_seeds = f"Marks: mean over {extent(counts)} seeds; bands: from the lowest to the highest seed"
    over_images = f"95 % bootstrap intervals over the {scoring.words(made.metric)[0]}s"
    if counts == [1]:
        return f"Bands: {over_images}." if any(mark.low is not None for _, _, mark in _marks(made)) else ""
    return f"{over_seeds}, {over_images} where there is one seed." if counts[0] == 1 else f"{over_seeds}."


def _compared(made: SensitivityCurves) -> Mapping[str, Marks]:
    """The paper's curves, where something here was scanned as the paper did: without retraining."""
    return made.paper if any(way.retrain_epochs == 0 for way in made.ways) else {}


def limits(made: SensitivityCurves) -> tuple[float, float]:
    """The y axis as gains, worst first: the paper's, less deep where nothing falls as far."""
    gains, deepest = _gains(made), DEEPEST[made.metric.change_unit]
    bottom = deepest if _compared(made) else max(deepest, min(-2.0, math.floor(1.15 * min(gains))))
    return bottom, max(-bottom / 20.0, math.ceil(2.2 * max(gains)) / 2)


def _gains(made: SensitivityCurves) -> list[float]:
    return [scoring.gain(made.metric, mark.change.mean) for _, _, mark in _marks(made)]


def draw(made: SensitivityCurves) -> Figure:
    looks = _looks(made)
    entries = {panel: _entries(lines, made) for panel, lines in looks.items()}
    names = [[name for name, _ in found] for found in entries.values()]
    columns = len(looks) if page_width() > NARROW else 1
    is_stacked = columns < len(looks)  # each panel has its legend below it then, and no panel shares a column
    size = {"width": page_width(), "size": type_size()}
    share = 1 if is_stacked else len(looks)
    figure, page = ink.paper(
        display_subject(made.model, made.data), len(made.ways) * len(looks),
        names if not is_stacked else [max(names, key=len)], caption(made),
        heading=6.0 if len(made.ways) > 1 else 4.6, columns=columns,
        between=6.5 + is_stacked * (1.6 * (len(made.ways) > 1) + panels.legend_height(**size, legends=names, share=1)),
    )  # fmt: skip
    for place, (way, panel) in enumerate((way, panel) for way in made.ways for panel in looks):
        axes = ink.panel(figure, page, place, f"val {made.metric.title} change, {made.metric.change_unit}")
        _panel(axes, made, way, panel, looks[panel])
        if panel == next(iter(looks)):
            figure.text(page.left, page.over(place, 2.2), way.differing, color=FAINT)
        if is_stacked or way == made.ways[-1]:
            axes.set_xlabel("parameters of the layer pruned away, %")
            ink.legend(axes, page, entries[panel], share)
    return figure


def _looks(made: SensitivityCurves) -> dict[Panel, dict[str, Line]]:
    """For each panel that has a layer the lines of its layers, the same in every row."""
    found: dict[Panel, dict[str, Line]] = {}
    for panel in PANELS:
        groups = dict.fromkeys(layer.group for way in made.ways for layer in way.layers if layer.panel == panel)
        if groups:
            found[panel] = dict(zip(groups, sequence(len(groups)), strict=True))
    return found


def _panel(axes: Axes, made: SensitivityCurves, way: Way, panel: Panel, lines: dict[str, Line]) -> None:
    axes.set_xlim(0.0, 100.0)
    axes.set_ylim(*(scoring.gain(made.metric, end) for end in limits(made)))  # the better is up
    axis.put_y(axes, scoring.signed)
    axes.set_title(PANELS[panel], loc="left", size="medium", weight="normal", pad=0.5 * type_size())
    papers = [marks for name, marks in made.paper.items()
              if way.retrain_epochs == 0 and panel == ("conv" if name.startswith("conv") else "linear")]  # fmt: skip
    for marks, look in zip(papers, sequence(len(papers)), strict=True):
        axes.plot(*zip(*marks, strict=True), color=look.colour, alpha=0.45, linewidth=0.8, zorder=1.5)
    for layer in way.layers:
        if layer.panel == panel:
            _curve(axes, layer, lines[layer.group])


def _curve(axes: Axes, layer: LayerCurve, look: Line) -> None:
    """Band and line; the line starts at the dense network, where nothing is pruned and nothing changes."""
    banded = [(mark.pruned, mark.low, mark.high)
              for mark in layer.marks if mark.low is not None and mark.high is not None]  # fmt: skip
    if banded:
        ink.band(axes, look, *zip(*banded, strict=True))
    x, y = [mark.pruned for mark in layer.marks], [mark.change.mean for mark in layer.marks]
    ink.curve(axes, look, [0.0, *x], [0.0, *y], markevery=slice(1, None))


def _entries(lines: Mapping[str, Line], made: SensitivityCurves) -> list[tuple[str, Line]]:
    return [*lines.items(), *([("the paper", Line(FAINT, ""))] if _compared(made) else [])]
