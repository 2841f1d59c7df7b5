"""Which inputs the first layer of one pruned network still reads, as in Han et al. 2015, Figure 4."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from analysis.drawing import ink, panels
from analysis.drawing.style import FAINT, INK, page_width, panels_across, type_size
from analysis.names import display_name, display_subject
from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.conditions import joined, texts
from analysis.statistics.curves import budget_text
from pruneexp.errors import UserError
from pruneexp.schema import LayerWeights
from pruneexp.summary.spread import Spread, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MADE_OF = "weights"

PAPER = "Han et al. 2015, Figure 4"


class InputPattern(NamedTuple):
    """One budget of one curve, over its seeds: the share of the weights of each input that is kept, in its order.

    Inputs are the pixels of pictures of ``side`` x ``side``, row by row, one colour after the other.
    """

    data: str
    model: str
    conditions: tuple[tuple[str, str], ...]
    budget: str
    layer: str
    units: int
    side: int
    kept: tuple[Spread, ...]
    runs: tuple[str, ...]


class InputRow(NamedTuple):
    """One input: the kept share of its weights, mean and sample standard deviation over ``n`` seeds."""

    data: str
    model: str
    conditions: str
    budget: str
    layer: str
    input: int
    row: int
    column: int
    kept_mean: float
    kept_std: float | None
    n: int
    runs: str


def data(frame: pd.DataFrame) -> InputPattern:
    """The first layer of one point, or the means over the seeds of one budget.

    Raises:
        UserError: no point has its weights counted, there are several that differ in more than the seed, or the first
            layer does not read the pixels of square pictures.
    """
    if frame.empty:
        raise UserError("no weights of these points are counted: `python -m pruneexp.stability CONDITION...` does it.")
    points = selection.repetitions(frame).drop_duplicates("run_id")
    names = ("mode", *frames.CONDITIONS)
    ((key, _),) = selection.groups(points, (*frames.SUBJECT, *names, *frames.BUDGET))
    firsts: list[LayerWeights] = [one for one in frame.sort_values("run_id")["weights"] if one.inputs]
    side = _side(len(firsts[0].inputs)) if firsts else 0
    if not side:
        raise UserError("the first layer of these networks does not read the pixels of pictures one by one, as that of "
                        "lenet_300_100 does.")  # fmt: skip
    shares = [[count / one.units for count in one.inputs] for one in firsts]
    return InputPattern(
        data=str(key["data"]),
        model=str(key["model"]),
        conditions=texts(key, names),
        budget=budget_text(*(key[name] for name in frames.BUDGET)),
        layer=firsts[0].layer,
        units=firsts[0].units,
        side=side,
        kept=tuple(spread(of_seeds) for of_seeds in zip(*shares, strict=True)),
        runs=tuple(sorted(points["run_id"])),
    )


def _side(inputs: int) -> int:
    """The side of pictures in one colour or three of so many pixels; 0 where there are none."""
    for colours in (1, 3):
        side = math.isqrt(inputs // colours)
        if colours * side**2 == inputs:
            return side
    return 0


def runs(made: InputPattern) -> tuple[str, ...]:
    return made.runs


def rows(made: InputPattern) -> Iterator[InputRow]:
    subject = (made.data, made.model, joined(made.conditions), made.budget, made.layer)
    for place, kept in enumerate(made.kept):
        row, column = divmod(place % made.side**2, made.side)
        yield InputRow(*subject, place, row, column, kept.mean, kept.std, kept.n, " ".join(made.runs))


def caption(made: InputPattern) -> str:
    told, several = dict(made.conditions), len(made.runs) > 1
    how = ", ".join(display_name(name, told[name]) for name in ("criterion", "schedule", "mode"))
    bands = len(made.kept) // made.side
    return (
        f"Per cent of the {made.units:,} weights of each input of {made.layer} that are kept, {how}, at {made.budget}, "
        + (f"mean over {len(made.runs)} seeds. " if several else "one seed. ")
        + f"Graph: the {len(made.kept):,} inputs in their order, {bands} bands of {made.side}, one for each row of "
        f"pixels, as in {PAPER}, which draws every weight. Square: the same as a picture; the darker, the more is kept."
    )


def draw(made: InputPattern) -> Figure:
    from matplotlib.colors import LinearSegmentedColormap

    columns, size = min(2, panels_across()), type_size()
    wide = (page_width() - 5.8 * size / 72.0) / columns - 1.7 * size / 72.0
    page = panels.page(
        width=page_width(), size=size, columns=columns, rows=2 // columns, height=wide, legends=[], words=caption(made),
        heading=4.4, between=6.0,
    )  # fmt: skip
    figure = ink.paper(page, display_subject(made.model, made.data))
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
