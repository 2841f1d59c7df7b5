"""What pruning changes beside the score: answers, the worst class, and masks of other seeds, over density."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pandas as pd

from analysis.drawing import axes as axis
from analysis.drawing import ink, levels, panels
from analysis.drawing.axes import Span
from analysis.drawing.style import page_width
from analysis.names import display_subject
from analysis.publishing.numbers import CsvRow
from analysis.records import frames
from analysis.records.frames import Split
from analysis.records.measured_frames import STABILITY
from analysis.statistics import extents, scoring, selection
from analysis.statistics.conditions import joined
from analysis.statistics.curves import Channels, Curve, CurveSet, channels, family, over_seeds
from analysis.statistics.quantities import COSTS, Quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MADE_OF = "points with stability"

_PANEL, _CHANCE = "side", "masks shared by chance"
#: The numbers of a point that each panel shows, and the name of its axis; ``{split}`` is that of the answers.
_PANELS = {
    "same answers as the dense network": ("{split}.agreement", "answers, %"),
    "accuracy of the class that loses most": ("{split}.worst_class_change", "change, points"),
    "kept weights that two seeds share": ("mask_overlap", "weights, %"),
}
_CONDITIONS = ("mode", *frames.CONDITIONS)


class Stability(NamedTuple):
    """The curves of one network on one data set, a facet for each panel, and that of chance, which has none."""

    data: str
    model: str
    split: Split
    found: CurveSet
    lacking: int

    @property
    def panels(self) -> tuple[str, ...]:
        """The panels that have a curve."""
        shown = {curve.facet for curve in self.found.curves}
        return tuple(panel for panel in _PANELS if panel in shown)


def data(
    frame: pd.DataFrame, *, split: Annotated[Split, "the split that answers are compared on"] = "test"
) -> Stability:
    """Every curve whose points ``python -m pruneexp.stability`` has compared.

    Raises:
        UserError: there is none, or several networks or data sets.
    """
    numbers = {panel: f"{STABILITY}{name.format(split=split)}" for panel, (name, _) in _PANELS.items()}
    numbers[_CHANCE] = f"{STABILITY}mask_overlap_by_chance"
    answers = next(iter(numbers.values()))
    compared = frame[frame[answers].notna()] if answers in frame else frame[:0]
    option = "" if split == "test" else f" --split {split}"
    lacking = f"no answers on {split} are compared: `python -m pruneexp.stability CONDITION...{option}` does it."
    dataset, model = selection.one_subject(compared, "figure", lacking)
    rows = pd.concat([_of_panel(compared, panel, name) for panel, name in numbers.items() if name in compared])
    by = channels(rows, _CONDITIONS, Channels(facet=(_PANEL,)))
    found = family(rows.reset_index(drop=True), (*_CONDITIONS, _PANEL), by)
    return Stability(dataset, model, split, found, len(frame) - len(compared))


def _of_panel(points: pd.DataFrame, panel: str, column: str) -> pd.DataFrame:
    made = points.assign(moment="after", x=points["pruned"], y=points[column], dense=None, doubtful=False)
    return made.assign(**{_PANEL: panel}).dropna(subset=["y"])


def rows(made: Stability) -> Iterator[CsvRow]:
    """One budget of one curve: a number over seeds, in percent or points."""
    for curve in made.found.curves:
        for mark in curve.marks:
            yield {
                "data": made.data,
                "model": made.model,
                "split": made.split,
                "quantity": curve.facet,
                "curve": curve.told,
                "conditions": joined([each for each in curve.conditions if each[0] != _PANEL]),
                "budget": mark.budget,
                "pruned": mark.x,
                **mark.y._asdict(),
                "runs": " ".join(mark.runs),
            }


def caption(made: Stability) -> str:
    what = (
        f"Pruned and retrained networks beside their dense ones, on {made.split}: how many answers are the same, right "
        "or wrong, and by how much the accuracy of the class changes that loses most. The worst of many classes falls "
        "by chance, too."
    )
    parts = [
        what,
        "Masks: of their kept weights, what two seeds share, mean over pairs." * (list(_PANELS)[-1] in made.panels),
        "Dashed: what chance gives with as many in each layer." * (_CHANCE in made.found.facets),
        over_seeds(made.found.curves, "One seed."),
        "On top: compression.",
        f"Not compared, and left out: {made.lacking} of the points." * bool(made.lacking),
    ]
    return " ".join(filter(None, parts))


def draw(made: Stability) -> Figure:
    entries = levels.legend(made.found.colours, made.found.styles)
    names = [name for name, _ in entries]
    figure, page = ink.paper(
        display_subject(made.model, made.data), len(made.panels), [names], caption(made), heading=6.8, between=3.6,
        columns=1, height=0.6 * panels.height(page_width(), 1),
    )  # fmt: skip
    reach = axis.span([mark.x for curve in made.found.curves for mark in curve.marks], "remaining")
    for place, panel in enumerate(made.panels):
        axes = figure.add_axes(page.box(place))
        figure.text(page.box(place)[0], page.over(place, 2.2 if place == 0 else 0.7), panel, weight="bold")
        curves = [curve for curve in made.found.curves if curve.facet == panel]
        chance = [curve for curve in made.found.curves if curve.facet == _CHANCE]
        _panel(axes, made, curves, chance if panel == list(_PANELS)[-1] else [], reach)
        ink.name_y(axes, page, _PANELS[panel][1])
        if place == 0:
            axis.put_compression(axes, reach)
        axes.tick_params(labelbottom=place == len(made.panels) - 1)
        ink.below(axes, page, place, COSTS["pruned"][1], entries)
    return figure


def _panel(axes: Axes, made: Stability, curves: Sequence[Curve], chance: Sequence[Curve], reach: Span) -> None:
    axis.put_x(axes, reach)
    low, high = extents.of_y([*curves, *chance], Quantity(_PANEL, _PANEL, "", 0, ()), None)
    is_change = curves[0].facet == list(_PANELS)[1]
    axes.set_ylim(low, max(high, -0.05 * low) if is_change else high)
    axis.put_y(axes, scoring.signed if is_change else None)
    for curve in (*chance, *curves):
        by_chance = curve.facet == _CHANCE
        line = levels.line(made.found.colours, made.found.styles, curve.colour, curve.style, dashed=by_chance)
        line = line._replace(marker="") if by_chance and len(curve.marks) > 1 else line
        places = [mark.x for mark in curve.marks]
        ink.band(axes, line, places, [mark.y.low for mark in curve.marks], [mark.y.high for mark in curve.marks])
        ink.curve(axes, line, places, [mark.y.mean for mark in curve.marks])
