"""Error against parameters of pruned networks trained from scratch, as in Liu et al. 2019, Figures 3 and 5."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import pandas as pd

from analysis.drawing import axes as axis
from analysis.drawing import ink, levels, panels
from analysis.drawing.style import FAINT, Line, page_width, panels_across, type_size
from analysis.names import display_name, display_subject
from analysis.publishing.numbers import CsvRow, range_columns
from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import digitised, extents, scoring, selection
from analysis.statistics.conditions import joined, unsaid
from analysis.statistics.curves import Channels, Curve, CurveSet, channels, family, over_seeds
from analysis.statistics.digitised import EfficiencyFigure, Marks, Unit
from analysis.statistics.quantities import Quantity, limits
from pruneexp.errors import UserError
from pruneexp.schema import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TITLES: dict[Unit, str] = {"channels": "channels pruned", "weights": "single weights pruned"}
_HOW = {
    "scratch_e": "trained from scratch for the epochs of the dense ones",
    "scratch_b": "trained from scratch for the compute of the dense ones",
    "scratch_b_retraining": "trained from scratch for the compute of the dense ones and of retraining",
    "rewind": "trained again from their initial weights",
    "prune": "fine-tuned",
}
#: The criterion first, so that it has the colours where it differs.
_CONDITIONS = ("mode", "criterion", *(name for name in frames.CONDITIONS if name != "criterion"))
#: What a handle of a legend takes, in sizes of the type.
_HANDLE = 3.1
#: How many times larger than ours the paper's networks may be on a linear axis.
_WIDE = 30
#: What the settings say of networks that no pattern guides, beside those that one does.
_UNGUIDED = ", no source"


class EfficiencyPanel(NamedTuple):
    """The curves of networks that lost whole channels, or single weights."""

    unit: Unit
    found: CurveSet
    paper: Mapping[str, Marks]


class ParameterEfficiency(NamedTuple):
    """Everything in the picture; ``y`` are the ends of the axis of ``quantity``, an error or the metric itself.

    ``figure`` is that of the paper's curves.
    """

    data: str
    model: str
    mode: str
    metric: Metric
    quantity: Quantity
    panels: tuple[EfficiencyPanel, ...]
    figure: EfficiencyFigure
    y: extents.Ends

    @property
    def curves(self) -> tuple[Curve, ...]:
        """Those of all panels."""
        return tuple(curve for panel in self.panels for curve in panel.found.curves)


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that errors are shown on"] = "test",
    mode: Annotated[
        Literal["scratch_e", "scratch_b", "scratch_b_retraining", "rewind", "prune"], "how they were trained"
    ] = "scratch_e",
    paper: Annotated[bool, "thin lines for the paper's networks: VGG-19 beside guided ones, else VGG-16"] = False,
    ylim: Annotated[str, "ends of the y axis, as LOW:HIGH"] = "",
) -> ParameterEfficiency:
    """A panel of networks without whole channels, and one of networks without single weights, where there are such.

    Parameters are those of the network that is left once channels are taken out; without single weights, the kept ones.

    Raises:
        UserError: no such network is logged, or those of several data sets are.
    """
    points = frame[frame["mode"] == mode]
    lacking = f"no point is logged in mode={mode}, and the figure compares networks that were trained so."
    dataset, model = selection.one_subject(points, "figure", lacking)
    metric = scoring.primary(points)
    quantity = _quantity(metric, split)
    rows = _measured(points, metric, split)
    if rows.empty:
        raise UserError(f"no point of {model} on {dataset} has a {metric.title} on the {split} split.")
    guided = points["criterion"].str.startswith("guided").any()
    figure = digitised.GUIDED if guided else digitised.DISCOVERED
    curves = digitised.efficiencies(figure) if paper else {}
    units: tuple[Unit, ...] = ("channels", "weights")
    made = tuple(_panel_of(unit, rows[rows["unit"] == unit], curves) for unit in units
                 if (rows["unit"] == unit).any())  # fmt: skip
    y = _ends(made, quantity, limits("ylim", ylim))
    return ParameterEfficiency(dataset, model, mode, metric, quantity, made, figure, y)


def _ends(made: Sequence[EfficiencyPanel], quantity: Quantity, asked: extents.Ends | None) -> extents.Ends:
    """The ends of the axis of all panels, with the best dense network and the paper's curves on it."""
    curves = [curve for panel in made for curve in panel.found.curves]
    low, high = extents.of_y(curves, quantity, asked)
    if asked:
        return asked
    values = [value for panel in made for marks in panel.paper.values() for _, value in marks]
    best = [0.98 * curve.dense for curve in curves if curve.dense is not None] if quantity.better < 0 else []
    return min([low, *values, *best]), max([high, *values])


def _quantity(metric: Metric, split: Split) -> Quantity:
    """The error where the metric is a share of right answers, else the metric."""
    if _has_error(metric):
        return Quantity("error", f"{split} error", "%", -1, (), metric.change_unit, "dense")
    better = 1 if metric.direction == "maximize" else -1
    return Quantity(metric.name, f"{split} {metric.title}", metric.unit, better, (), metric.change_unit, "dense")


def _has_error(metric: Metric) -> bool:
    return metric.unit == "%" and metric.direction == "maximize"


def _measured(points: pd.DataFrame, metric: Metric, split: Split) -> pd.DataFrame:
    """What curves are made of, with the ``unit`` that was pruned."""
    after, dense = (points[f"{split}.{moment}.{metric.name}"] for moment in ("after", "dense"))
    if _has_error(metric):
        after, dense = 100.0 - after, 100.0 - dense
    removed = points["removed_parameters"]
    made = points.assign(
        moment="after",
        x=removed.fillna(points["weights_kept"]),
        y=after,
        dense=dense,
        doubtful=False,
        unit=removed.notna().map({True: "channels", False: "weights"}),
    )
    return made.dropna(subset=["y"])


def _panel_of(unit: Unit, rows: pd.DataFrame, paper: Mapping[tuple[str, Unit], Marks]) -> EfficiencyPanel:
    found = family(rows, _CONDITIONS, channels(rows, _CONDITIONS, Channels()))
    return EfficiencyPanel(unit, found, {name: marks for (name, of), marks in paper.items() if of == unit})


def label(curve: Curve) -> str:
    """The name of a curve: its criterion, and what else tells it from the others."""
    criterion = display_name("criterion", dict(curve.conditions)["criterion"])
    told = ", ".join(part for part in (curve.colour, curve.style) if part).replace(_UNGUIDED, "")
    return told if criterion in told else ", ".join(filter(None, (criterion, told)))


def rows(made: ParameterEfficiency) -> Iterator[CsvRow]:
    """One mark: parameters kept, and the error over seeds."""
    for panel in made.panels:
        for curve in panel.found.curves:
            for mark in curve.marks:
                yield {
                    "source": "runs",
                    "data": made.data,
                    "model": made.model,
                    "metric": made.metric.name,
                    "unit": panel.unit,
                    "y_of": made.quantity.label,
                    "curve": label(curve),
                    "conditions": joined(curve.conditions),
                    "budget": mark.budget,
                    "parameters": mark.x,
                    **range_columns("y", mark.y),
                    "runs": " ".join(mark.runs),
                }
        for name, marks in panel.paper.items():
            for parameters, error in marks:
                yield {
                    "source": f"{made.figure.title} (digitised)",
                    "data": made.figure.data,
                    "model": made.figure.model,
                    "metric": "top1",
                    "unit": panel.unit,
                    "y_of": "test error, %",
                    "curve": name,
                    "conditions": "",
                    "budget": "",
                    "parameters": parameters,
                    **range_columns("y", None),
                    "y_mean": error,
                    "runs": "",
                }


def caption(made: ParameterEfficiency) -> str:
    title = f"{made.quantity.title[0].upper()}{made.quantity.title[1:]}"
    parts = [f"{title} of pruned networks against their parameters, {_HOW[made.mode]}."]
    parts.append(over_seeds(made.curves))
    parts.append("Dotted: the dense networks.")
    parts += extents.left_out(made.curves, made.quantity, (0.0, math.inf), made.y)
    if any(panel.paper for panel in made.panels):
        subject = display_subject(made.figure.model, made.figure.data)
        parts.append(f"Thin lines: {made.figure.title}, read off the image ({subject}).")
    if unknown := unsaid(label(curve) for curve in made.curves):
        parts.append(unknown)
    return " ".join(parts)


def draw(made: ParameterEfficiency) -> Figure:
    entries = [_legend(panel) for panel in made.panels]
    names = [[name for name, _ in found] for found in entries]
    size = {"width": page_width(), "size": type_size()}
    columns = min(len(made.panels), panels_across())
    if not panels.fit(**size, labels=[name for found in names for name in found], share=columns):
        columns = 1
    is_stacked = columns < len(made.panels)  # each panel has its legend below it then
    figure, page = ink.paper(
        display_subject(made.model, made.data), len(made.panels), [max(names, key=len)] if is_stacked else names,
        caption(made), heading=5.6, between=6.5 + is_stacked * panels.legend_height(**size, legends=names, share=1),
        columns=columns,
    )  # fmt: skip
    for place, (panel, found) in enumerate(zip(made.panels, entries, strict=True)):
        axes = ink.panel(figure, page, place, made.quantity.label)
        _panel(axes, made, panel)
        figure.text(page.box(place)[0], page.over(place, 0.7), _TITLES[panel.unit], color=FAINT)
        axes.set_xlabel("parameters")
        across = page.width * (1.0 - page.left) / columns
        room = across / page.entries(names[place], columns) - _HANDLE * page.em
        small = panels.fitted(max(names[place], key=len), room, type_size())
        ink.legend(axes, page, found, columns, size=small)
    return figure


def _legend(panel: EfficiencyPanel) -> list[tuple[str, Line]]:
    entries = [(label(curve), _look(panel, curve)) for curve in panel.found.curves]
    return [*entries, *zip(panel.paper, _of_paper(panel), strict=True)]


def _look(panel: EfficiencyPanel, curve: Curve) -> Line:
    return levels.line(panel.found.colours, panel.found.styles, curve.colour, curve.style, dashed=False)


def _of_paper(panel: EfficiencyPanel) -> list[Line]:
    """Grey, the uniform networks dashed, and guided ones with marks."""
    marks = {"Guided": ".", "Transferred": "x"}
    return [Line("#a8adb5", marks.get(first, ""), first == "Uniform")
            for first in (name.split()[0] for name in panel.paper)]  # fmt: skip


def _panel(axes: Axes, made: ParameterEfficiency, panel: EfficiencyPanel) -> None:
    xs = [mark.x for curve in panel.found.curves for mark in curve.marks]
    xs += [x for marks in panel.paper.values() for x, _ in marks]
    reach = axis.span(xs, "log" if panel.paper and max(xs) > _WIDE * min(xs) else "linear")
    axis.put_x(axes, reach._replace(low=max(0.0, reach.low)))
    axes.set_ylim(*made.y)
    axis.put_y(axes, None)
    axis.put_numbers(axes, reach)
    for dense in sorted({curve.dense for curve in panel.found.curves if curve.dense is not None}):
        ink.dotted(axes, dense, FAINT)
    for paper, look in zip(panel.paper.values(), _of_paper(panel), strict=True):
        ink.curve(axes, look, [x for x, _ in paper], [y for _, y in paper])
    for curve in panel.found.curves:
        look, marks = _look(panel, curve), curve.marks
        ink.means(axes, look, [mark.x for mark in marks], [mark.y for mark in marks])
        beyond = [mark.x for mark in marks if extents.beyond(made.quantity, made.y, mark)]
        edge, marker = (0.985, "^") if made.quantity.better < 0 else (0.015, "v")
        axes.plot(beyond, [edge] * len(beyond), linestyle="none", marker=marker, markersize=4.0 * type_size() / 9.0,
                  color=look.colour, transform=axes.get_xaxis_transform(), zorder=4.0)  # fmt: skip
