"""How weights are distributed before pruning and after retraining, as in Han et al. 2015, Figure 7."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pandas as pd

from analysis.drawing import ink, panels
from analysis.drawing.style import FAINT, Line, page_width, panels_across, type_size
from analysis.publishing.numbers import CsvRow
from analysis.statistics.one_budget import NO_WEIGHTS, OneBudget, by_layer, one_budget
from pruneexp.errors import UserError
from pruneexp.schema import LayerWeights
from pruneexp.summary.palette import LEVELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MADE_OF = "weights"

PAPER = "Han et al. 2015, Figure 7"
#: What is drawn, by the names of ``LayerWeights``: the words for it, and its look.
_MOMENTS = {
    "dense": ("before pruning", Line(FAINT, "")),
    "cut": ("kept ones, before retraining", Line(LEVELS[1], "", dashed=True)),
    "after": ("kept ones, after retraining", Line(LEVELS[0], "")),
}
#: The share of the weights of a histogram that its axis holds at least.
_SHOWN = 0.99


class LayerHistograms(NamedTuple):
    """One layer: its histograms over seeds, each with its run."""

    layer: str
    seeds: tuple[tuple[str, LayerWeights], ...]


class WeightDistributions(NamedTuple):
    """``layers`` in the order of the network."""

    of: OneBudget
    layers: tuple[LayerHistograms, ...]


def data(frame: pd.DataFrame, *, layer: Annotated[str, "one layer alone; without it, all"] = "") -> WeightDistributions:
    """The layers of one point, or of one budget over its seeds.

    Raises:
        UserError: no point has its weights counted, there are several that differ in more than the seed, or no such
            layer.
    """
    of = one_budget(frame, NO_WEIGHTS)
    found = by_layer(frame, "layer")
    if layer and layer not in (known := [name for name, _ in found]):
        raise UserError(f"--layer {layer}: no such layer; there are {', '.join(known)}.")
    return WeightDistributions(of, tuple(_layer(name, rows) for name, rows in found if layer in ("", name)))


def _layer(name: str, rows: pd.DataFrame) -> LayerHistograms:
    return LayerHistograms(name, tuple(sorted(zip(rows["run_id"], rows["weights"], strict=True), key=lambda of: of[0])))


def rows(made: WeightDistributions) -> Iterator[CsvRow]:
    """The number of weights in one bin, whose middle is ``weight``; ``of`` them all, in one run."""
    for layer in made.layers:
        for run, of in layer.seeds:
            for moment in _MOMENTS:
                counts = getattr(of, moment)
                for middle, count in zip(_middles(of), counts, strict=True):
                    yield {
                        **made.of.columns,
                        "layer": layer.layer,
                        "moment": moment,
                        "weight": middle,
                        "width": _width(of),
                        "weights": count,
                        "of": sum(counts),
                        "runs": run,
                    }


def _width(of: LayerWeights) -> float:
    return 2.0 * of.limit / len(of.dense)


def _middles(of: LayerWeights) -> list[float]:
    return [(place + 0.5) * _width(of) - of.limit for place in range(len(of.dense))]


def caption(made: WeightDistributions) -> str:
    how, seeds = made.of.how("reg", "criterion", "schedule", "mode"), len(made.of.runs)
    return (
        f"Density of the weights of each layer, {how}, at {made.of.budget}; after {PAPER}. Each line has an area of 1"
        + (f", and there is one for each of {seeds} seeds" if seeds > 1 else ", of one seed")
        + ". In brackets: weights before and after pruning. Pruning alone takes the middle out; what is beside the "
        "dashed line was moved by retraining. The outermost 1 % may lie beyond an axis."
    )


def draw(made: WeightDistributions) -> Figure:
    size, labels = type_size(), [label for label, _ in _MOMENTS.values()]
    columns = min(len(made.layers), max(2, panels_across()))
    figure, page = ink.paper(
        made.of.subject, len(made.layers), [labels], caption(made), heading=5.6, between=5.0, columns=columns,
        height=0.75 * (page_width() - 5.8 * size / 72.0) / max(2, columns),
    )  # fmt: skip
    for place, layer in enumerate(made.layers):
        axes = figure.add_axes(page.box(place))
        _panel(axes, layer)
        (_, first), *_ = layer.seeds
        title = f"{layer.layer} ({sum(first.dense):,} → {sum(first.after):,})"
        wide = page.box(place)[2] * page.width
        figure.text(page.box(place)[0], page.over(place, 0.5), title, size=panels.fitted(title, wide, 0.9 * size))
        ink.below(axes, page, place, "", list(_MOMENTS.values()))
    return figure


def _panel(axes: Axes, layer: LayerHistograms) -> None:
    ends = 0.0
    for moment, (_, look) in _MOMENTS.items():
        for _, of in layer.seeds:
            counts, total = getattr(of, moment), max(1, sum(getattr(of, moment)))
            ends = max(ends, _reach(_middles(of), counts, total))
            density = [count / total / _width(of) for count in counts]
            axes.stairs(density, [middle - _width(of) / 2.0 for middle in (*_middles(of), of.limit + _width(of) / 2.0)],
                        color=look.colour, linewidth=1.2 * type_size() / 9.0,
                        linestyle=(0, (3, 1.5)) if look.dashed else "solid")  # fmt: skip
    axes.set_xlim(-1.05 * ends, 1.05 * ends)
    axes.set_ylim(bottom=0.0)
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(axis="x", labelsize=0.85 * type_size())


def _reach(middles: list[float], counts: tuple[int, ...], total: int) -> float:
    """How far from zero the histogram has almost all of its weights."""
    seen, reach = 0, 0.0
    for middle, count in sorted(zip(middles, counts, strict=True), key=lambda item: abs(item[0])):
        if seen >= _SHOWN * total:
            break
        seen, reach = seen + count, abs(middle)
    return reach
