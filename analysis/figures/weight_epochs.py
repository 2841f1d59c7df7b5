"""How the kept weights of each layer are distributed after epochs of retraining."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pandas as pd

from analysis.drawing import ink, panels
from analysis.drawing.style import Line, page_width, panels_across, sequence, type_size
from analysis.publishing.numbers import CsvRow, interval_columns
from analysis.statistics.inference import Comparison, compare
from analysis.statistics.one_budget import OneBudget, one_budget
from analysis.statistics.scoring import signed
from pruneexp.errors import UserError
from pruneexp.schema import EpochWeights, LayerCourse, Retraining

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MADE_OF = "retrainings"

_LACKING = "no point has weights of epochs: `python -m pruneexp.retraining CONDITION...` counts them."
#: The share of the weights that is shown, how many of them a bin has on average at least, and the most bins.
_SHOWN, _FEWEST, _BINS = 0.99, 12.0, 80.0


class EpochDensity(NamedTuple):
    """One layer after so many epochs: the mean over seeds of the density in each bin.

    ``growth`` is by how many percent mean |w| is larger than before retraining, ``inside`` the percentage of kept
    weights whose |w| is below the smallest that was kept, each over seeds.
    """

    epoch: int
    densities: tuple[float, ...]
    growth: Comparison
    inside: Comparison


class LayerEpochs(NamedTuple):
    """One layer with ``kept`` weights, the mean over seeds, in bins of ``width``, as many below zero as above.

    Weights and densities are in units of ``gap``, the smallest |w| that was kept, which is here the mean over seeds;
    where it is 0 nothing of the layer is pruned, and they are as they are.
    """

    layer: str
    kept: float
    gap: float
    width: float
    epochs: tuple[EpochDensity, ...]


class WeightEpochs(NamedTuple):
    """``layers`` in the order of the network, each after ``epochs``."""

    of: OneBudget
    epochs: tuple[int, ...]
    layers: tuple[LayerEpochs, ...]


def data(frame: pd.DataFrame, *, layer: Annotated[str, "one layer alone; without it, all"] = "") -> WeightEpochs:
    """The layers of one point, or of one budget over its seeds.

    Raises:
        UserError: no point has weights of epochs, there are several that differ in more than the seed, or no such
            layer.
    """
    of = one_budget(frame, _LACKING)
    known: list[Retraining] = list(frame.sort_values("run_id")["retraining"])
    layers = [[each.layers[place] for each in known] for place in range(len(known[0].layers))]
    if layer and layer not in (called := [seeds[0].layer for seeds in layers]):
        raise UserError(f"--layer {layer}: no such layer; there are {', '.join(called)}.")
    epochs = sorted(set.intersection(*({one.epoch for one in each.layers[0].epochs} for each in known)))
    shown = (_layer(seeds, epochs) for seeds in layers if layer in ("", seeds[0].layer))
    return WeightEpochs(of, tuple(epochs), tuple(shown))


def _layer(seeds: Sequence[LayerCourse], epochs: Sequence[int]) -> LayerEpochs:
    found = {epoch: [_at(course, epoch) for course in seeds] for epoch in epochs}
    widths = [course.width / (course.gap or 1.0) for course in seeds]
    kept = [sum(of.counts) for of in found[epochs[0]]]
    reach = max(_reach(of.counts, width) for each in found.values() for of, width in zip(each, widths, strict=True))
    width = max(widths)
    while 2.0 * reach / width > min(_BINS, sum(kept) / _FEWEST) and width < reach / 4.0:
        width *= 2.0
    half = math.ceil(reach / width)
    first = found[epochs[0]]
    return LayerEpochs(
        layer=seeds[0].layer,
        kept=math.fsum(kept) / len(kept),
        gap=math.fsum(course.gap for course in seeds) / len(seeds),
        width=width,
        epochs=tuple(
            EpochDensity(
                epoch,
                _density([_coarser(of.counts, round(width / own), half) for of, own in zip(each, widths, strict=True)],
                         [max(1, sum(of.counts)) * width for of in each]),
                compare([100.0 * (of.magnitude / (start.magnitude or 1.0) - 1.0)
                         for of, start in zip(each, first, strict=True)], margin=1.0),
                compare([100.0 * of.inside for of in each], margin=1.0),
            )
            for epoch, each in found.items()
        ),
    )  # fmt: skip


def _at(course: LayerCourse, epoch: int) -> EpochWeights:
    return next(of for of in course.epochs if of.epoch == epoch)


def _coarser(counts: Sequence[int], factor: int, half: int) -> list[int]:
    """Counts in bins that are so many times as wide, ``half`` of them on each side of zero."""
    made, middle = [0] * (2 * half), len(counts) // 2
    for place, count in enumerate(counts):
        where = (place - middle) // factor + half
        if 0 <= where < 2 * half:
            made[where] += count
    return made


def _density(seeds: Sequence[Sequence[int]], areas: Sequence[float]) -> tuple[float, ...]:
    each = [[count / area for count in counts] for counts, area in zip(seeds, areas, strict=True)]
    return tuple(math.fsum(values) / len(values) for values in zip(*each, strict=True))


def _reach(counts: Sequence[int], width: float) -> float:
    """How far from zero the bins have almost all weights."""
    half, seen = len(counts) // 2, 0
    for far in range(half):
        seen += counts[half + far] + counts[half - 1 - far]
        if seen >= _SHOWN * sum(counts):
            return (far + 1) * width
    return half * width


def rows(made: WeightEpochs) -> Iterator[CsvRow]:
    """The density of the kept weights of a layer in the bin around ``weight``, both in units of ``gap``.

    The rest is of all of the layer's weights after the epoch: means over ``n`` seeds with 95 % intervals, in percent.
    """
    for layer in made.layers:
        for of in layer.epochs:
            for place, density in enumerate(of.densities):
                yield {
                    **made.of.columns,
                    "layer": layer.layer,
                    "epoch": of.epoch,
                    "weight": (place + 0.5 - len(of.densities) / 2.0) * layer.width,
                    "width": layer.width,
                    "density": density,
                    "gap": layer.gap,
                    "kept": layer.kept,
                    **interval_columns("growth", of.growth),
                    **interval_columns("inside", of.inside),
                    "n": of.inside.n,
                    "runs": made.of.run_ids,
                }


def caption(made: WeightEpochs) -> str:
    how = made.of.how("reg", "criterion", "schedule", "mode")
    return (
        f"Density of the kept weights of each layer after epochs of retraining, {how}, at {made.of.budget}, "
        f"{made.of.over}. Weights are in units of the smallest |w| that was kept, so that pruning took what lies "
        "between the dotted lines. Above each panel: kept weights and the smallest of them, by how much their mean |w| "
        "has changed over retraining, and the share of them that ends between the lines. The outermost 1 % may lie "
        "beyond an axis."
    )


def draw(made: WeightEpochs) -> Figure:
    size, looks = type_size(), dict(zip(made.epochs, sequence(len(made.epochs)), strict=True))
    entries = [(f"epoch {epoch}" if epoch else "before", look._replace(marker="")) for epoch, look in looks.items()]
    columns = min(len(made.layers), max(2, panels_across()))
    figure, page = ink.paper(
        made.of.subject, len(made.layers), [[label for label, _ in entries]], caption(made), heading=6.6, between=6.0,
        columns=columns, height=0.75 * (page_width() - 5.8 * size / 72.0) / max(2, columns),
    )  # fmt: skip
    for place, layer in enumerate(made.layers):
        axes = figure.add_axes(page.box(place))
        _panel(axes, layer, looks)
        wide = page.box(place)[2] * page.width
        for above, text in zip((1.6, 0.4), _titles(layer), strict=True):
            figure.text(page.box(place)[0], page.over(place, above), text, size=panels.fitted(text, wide, 0.9 * size))
        ink.below(axes, page, place, "", entries)
    return figure


def _titles(layer: LayerEpochs) -> tuple[str, str]:
    last = layer.epochs[-1]
    unit = f", |w| ≥ {layer.gap:.2g}" if layer.gap else ""
    return f"{layer.layer} ({layer.kept:,.0f}{unit})", (
        f"|w| {signed(last.growth.mean, 0)} %, inside {last.inside.mean:.0f} %")  # fmt: skip


def _panel(axes: Axes, layer: LayerEpochs, looks: dict[int, Line]) -> None:
    for of in layer.epochs:
        half = len(of.densities) // 2
        edges = [place * layer.width for place in range(-half, half + 1)]
        axes.stairs(of.densities, edges, color=looks[of.epoch].colour, linewidth=1.2 * type_size() / 9.0)
    for side in (-1.0, 1.0) if layer.gap else ():
        ink.upright(axes, side, "black")
    axes.set_ylim(bottom=0.0)
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(axis="x", labelsize=0.85 * type_size())
