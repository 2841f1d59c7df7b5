"""Which inputs the first layer of one pruned network still reads, as in Han et al. 2015, Figure 4."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from analysis.drawing import ink
from analysis.drawing.style import FAINT, INK, page_width, panels_across, type_size
from analysis.publishing.numbers import CsvRow, spread_columns
from analysis.statistics.one_budget import NO_WEIGHTS, OneBudget, one_budget
from pruneexp.errors import UserError
from pruneexp.schema import LayerWeights
from pruneexp.summary.spread import Spread, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MADE_OF = "weights"

PAPER = "Han et al. 2015, Figure 4"


class InputPattern(NamedTuple):
    """The share of the weights of each input that is kept, in its order.

    Inputs are the pixels of pictures of ``side`` x ``side``, row by row, one colour after the other.
    """

    of: OneBudget
    layer: str
    units: int
    side: int
    kept: tuple[Spread, ...]


def data(frame: pd.DataFrame) -> InputPattern:
    """The first layer of one point, or the means over the seeds of one budget.

    Raises:
        UserError: no point has its weights counted, there are several that differ in more than the seed, or the first
            layer does not read the pixels of square pictures.
    """
    of = one_budget(frame, NO_WEIGHTS)
    firsts: list[LayerWeights] = [one for one in frame.sort_values("run_id")["weights"] if one.inputs]
    side = _side(len(firsts[0].inputs)) if firsts else 0
    if not side:
        raise UserError("the first layer of these networks does not read the pixels of pictures one by one, as that of "
                        "lenet_300_100 does.")  # fmt: skip
    shares = [[count / one.units for count in one.inputs] for one in firsts]
    return InputPattern(
        of=of,
        layer=firsts[0].layer,
        units=firsts[0].units,
        side=side,
        kept=tuple(spread(of_seeds) for of_seeds in zip(*shares, strict=True)),
    )


def _side(inputs: int) -> int:
    """The side of pictures in one colour or three of so many pixels; 0 where there are none."""
    for colours in (1, 3):
        side = math.isqrt(inputs // colours)
        if colours * side**2 == inputs:
            return side
    return 0


def rows(made: InputPattern) -> Iterator[CsvRow]:
    """One input: the kept share of its weights, over ``n`` seeds."""
    for place, kept in enumerate(made.kept):
        row, column = divmod(place % made.side**2, made.side)
        yield {
            **made.of.columns,
            "layer": made.layer,
            "input": place,
            "row": row,
            "column": column,
            **spread_columns("kept", kept),
            "n": kept.n,
            "runs": made.of.run_ids,
        }


def caption(made: InputPattern) -> str:
    how, bands = made.of.how("criterion", "schedule", "mode"), len(made.kept) // made.side
    return (
        f"Per cent of the {made.units:,} weights of each input of {made.layer} that are kept, {how}, at "
        f"{made.of.budget}, {made.of.over}. Graph: the {len(made.kept):,} inputs in their order, {bands} bands of "
        f"{made.side}, one for each row of pixels, as in {PAPER}, which draws every weight. Square: the same as a "
        "picture; the darker, the more is kept."
    )


def draw(made: InputPattern) -> Figure:
    from matplotlib.colors import LinearSegmentedColormap

    columns, size = min(2, panels_across()), type_size()
    wide = (page_width() - 5.8 * size / 72.0) / columns - 1.7 * size / 72.0
    figure, page = ink.paper(
        made.of.subject, 2, [], caption(made), heading=4.4, between=6.0, columns=columns, height=wide
    )
    percent = [100.0 * kept.mean for kept in made.kept]
    bands = figure.add_axes(page.box(0))
    bands.fill_between(range(len(percent)), percent, color=INK, linewidth=0.0, step="mid")
    bands.set_xlim(0, len(percent))
    bands.set_ylim(bottom=0.0)
    bands.set_xticks(range(0, len(percent) + 1, max(1, len(percent) // (4 * made.side)) * made.side))
    bands.set_xlabel("input")
    ink.name_y(bands, page, "weights kept, %")
    picture, area = figure.add_axes(page.box(1)), made.side**2
    colours = len(percent) // area
    shades = LinearSegmentedColormap.from_list("kept", ["white", INK])
    means = [sum(percent[place::area]) / colours for place in range(area)]
    picture.imshow([means[at : at + made.side] for at in range(0, area, made.side)], cmap=shades, vmin=0.0)
    picture.set(xticks=[], yticks=[])
    picture.grid(visible=False)
    for spine in picture.spines.values():
        spine.set_visible(True)
        spine.set_color(FAINT)
    picture.set_xlabel(f"{made.side} × {made.side} pixels, 0 to {max(means):.0f} %")
    return figure
