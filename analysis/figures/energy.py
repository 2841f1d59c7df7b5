"""Energy of each layer, dense and pruned, by the energies of operations of Han et al. 2015, Figure 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pandas as pd

from analysis.drawing import ink, panels
from analysis.drawing.style import FAINT, INK, type_size
from analysis.paper import paper_numbers
from analysis.publishing.numbers import CsvRow, spread_columns
from analysis.statistics.one_budget import NO_LAYERS, OneBudget, by_layer, one_budget
from pruneexp.errors import UserError
from pruneexp.summary.palette import LEVELS
from pruneexp.summary.spread import Spread, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MADE_OF = "layers"

PAPER = "Han et al. 2015, Figure 1"
TOTAL = "total"
#: Bytes of what one access reads, 32 bit.
_WORD = 4
_DRAM, _SRAM = "32b DRAM memory", "32b SRAM cache"
_PRODUCT = ("32b float MULT", "32b float ADD")
#: The entries of the legend.
_WHEN, _WHAT = ("dense", "pruned"), ("weights", "arithmetic")
#: Letters from which on the name of a layer may take two lines.
_LONG_NAME = 14


class LayerEnergy(NamedTuple):
    """What one layer needs for one example, in microjoule, over seeds: of reading its weights, and of arithmetic.

    ``memory`` and ``kept_memory`` are where the weights of the dense and of the pruned layer lie.
    """

    layer: str
    memory: str
    kept_memory: str
    reading: float
    arithmetic: float
    kept_reading: Spread
    kept_arithmetic: Spread

    @property
    def ratio(self) -> float:
        """The dense layer over the pruned one."""
        return (self.reading + self.arithmetic) / (self.kept_reading.mean + self.kept_arithmetic.mean)


class Energy(NamedTuple):
    """The last of ``layers`` is the sum of all.

    ``costs`` are the paper's energies of operations, in picojoule; ``sram`` bytes are near, 0 where all is in DRAM.
    """

    of: OneBudget
    sram: float
    skip_zeros: bool
    costs: tuple[tuple[str, float], ...]
    layers: tuple[LayerEnergy, ...]


def data(
    frame: pd.DataFrame,
    *,
    sram: Annotated[float, "kB that are near: a layer whose weights fit is read from there, not from DRAM"] = 0.0,
    skip_zeros: Annotated[bool, "no multiply-adds of inputs that are zero, in the pruned network"] = False,
) -> Energy:
    """The layers of one point, or the means over the seeds of one budget.

    Raises:
        UserError: there is no point, there are several that differ in more than the seed, or ``sram`` is negative.
    """
    if not sram >= 0.0:
        raise UserError(f"--sram must be 0 or more kB; got {sram:g}.")
    of = one_budget(frame, NO_LAYERS)
    costs = {number.row: number.value for number in paper_numbers("han2015_fig1_energy") if number.unit == "pJ"}
    layers = [_layer(name, rows, costs, 1e3 * sram, skip_zeros) for name, rows in by_layer(frame)]
    return Energy(of, 1e3 * sram, skip_zeros, tuple(costs.items()), (*layers, _sum(layers)))


def _layer(name: str, rows: pd.DataFrame, costs: dict[str, float], sram: float, skip_zeros: bool) -> LayerEnergy:
    dense, kept = rows["layer.bytes_dense"], rows["layer.bytes_sparse"]
    product = sum(costs[each] for each in _PRODUCT)
    arithmetic = rows["layer.flop"] / 2.0 * product / 1e6
    memory, kept_memory = (_SRAM if of.max() <= sram else _DRAM for of in (dense, kept))
    share = rows["layer.flop_share"] if skip_zeros else rows["layer.density"]
    return LayerEnergy(
        layer=name,
        memory=memory,
        kept_memory=kept_memory,
        reading=float(dense.iloc[0]) / _WORD * costs[memory] / 1e6,
        arithmetic=float(arithmetic.iloc[0]),
        kept_reading=spread(kept / _WORD * costs[kept_memory] / 1e6),
        kept_arithmetic=spread(arithmetic * share),
    )


def _sum(layers: list[LayerEnergy]) -> LayerEnergy:
    """All layers: the spread of sums is not that of layers, and left out."""
    reading = sum(layer.kept_reading.mean for layer in layers)
    arithmetic = sum(layer.kept_arithmetic.mean for layer in layers)
    n = layers[0].kept_reading.n
    return LayerEnergy(
        TOTAL, "", "", sum(layer.reading for layer in layers), sum(layer.arithmetic for layer in layers),
        Spread(reading, None, reading, reading, n), Spread(arithmetic, None, arithmetic, arithmetic, n),
    )  # fmt: skip


def rows(made: Energy) -> Iterator[CsvRow]:
    """One layer: microjoule for one example, over ``n`` seeds."""
    for layer in made.layers:
        yield {
            **made.of.columns,
            "layer": layer.layer,
            "memory": layer.memory,
            "pruned_memory": layer.kept_memory,
            "dense_reading": layer.reading,
            "dense_arithmetic": layer.arithmetic,
            **spread_columns("pruned_reading", layer.kept_reading),
            **spread_columns("pruned_arithmetic", layer.kept_arithmetic),
            "dense_over_pruned": layer.ratio,
            "n": layer.kept_reading.n,
            "runs": made.of.run_ids,
        }


def caption(made: Energy) -> str:
    costs, how = dict(made.costs), made.of.how("criterion", "schedule", "mode")
    product = sum(costs[each] for each in _PRODUCT)
    near = f" ({costs[_SRAM]:g} pJ from SRAM where those of a layer take {made.sram / 1e3:g} kB or less)" * (
        made.sram > 0
    )
    zero = "whose weight is kept and whose input is not zero" if made.skip_zeros else "whose weight is kept"
    return (
        f"An estimate by the energies of {PAPER} (45 nm), for one example; {how}, at {made.of.budget}, {made.of.over}. "
        f"Each layer reads its weights once, {costs[_DRAM]:g} pJ per 32 bit from DRAM{near}: of the pruned one the "
        f"kept weights with their relative indices. A multiply-add is {product:g} pJ in 32-bit floats; of the pruned "
        f"network those {zero}. Reading and writing activations, decoding indices and what stands still are not "
        "counted. Numbers: dense over pruned."
    )


def draw(made: Energy) -> Figure:
    size, shown = type_size(), max(len(made.layers), len(made.costs))
    entries = [f"{when}, {what}" for when in _WHEN for what in _WHAT]
    figure, page = ink.paper(
        made.of.subject, 2, [entries], caption(made), heading=5.0, between=4.6, columns=1,
        height=1.9 * shown * size / 72.0,
    )  # fmt: skip
    for place, (panel, title) in enumerate(((_operations, f"Energy of one operation, pJ ({PAPER})"),
                                            (_layers, "Energy for one example, µJ"))):  # fmt: skip
        axes = figure.add_axes(page.box(place))
        figure.text(page.box(place)[0], page.over(place, 0.6), title, size=0.9 * size)
        names = [_in_lines(name) for name in panel(axes, made)]
        longest = max((line for name in names for line in name.splitlines()), key=len)
        axes.set_yticks(range(len(names)), names, size=panels.fitted(longest, 5.2 * page.em, 0.9 * size))
        axes.tick_params(axis="y", length=0.0)
        axes.grid(visible=False)
        axes.invert_yaxis()
    figure.axes[-1].legend(ncols=page.entries(entries, 1), **page.legend(page.height))
    return figure


def _in_lines(name: str) -> str:
    """A long name in two lines, broken at the dot that is nearest to its middle."""
    dots = [place for place, letter in enumerate(name, 1) if letter == "."]
    if len(name) <= _LONG_NAME or not dots:
        return name
    middle = min(dots, key=lambda place: abs(place - len(name) / 2))
    return f"{name[:middle]}\n{name[middle:]}"


def _operations(axes: Axes, made: Energy) -> list[str]:
    for place, (_, cost) in enumerate(made.costs):
        axes.barh(place, cost, color=FAINT, height=0.6)
        axes.text(1.2 * cost, place, f"{cost:g}", va="center", size=0.85 * type_size(), color=INK)
    axes.set_xscale("log")
    axes.set_xlim(0.05, 3000.0)
    return [name.removeprefix("32b ") for name, _ in made.costs]


def _layers(axes: Axes, made: Energy) -> list[str]:
    sums = [(one.reading + one.arithmetic, one.kept_reading.mean + one.kept_arithmetic.mean) for one in made.layers]
    most = max(map(max, sums))
    for place, layer in enumerate(made.layers):
        dense, kept = (layer.reading, layer.arithmetic), (layer.kept_reading.mean, layer.kept_arithmetic.mean)
        for when, up, parts, alpha in ((_WHEN[0], -0.2, dense, 0.45), (_WHEN[1], 0.2, kept, 1.0)):
            for what, left, value, colour in zip(_WHAT, (0.0, parts[0]), parts, LEVELS, strict=False):
                label = f"{when}, {what}" if place == 0 else None
                axes.barh(place + up, value, left=left, height=0.36, color=colour, alpha=alpha, label=label)
        axes.text(max(sums[place]) + 0.02 * most, place, f"{layer.ratio:.2f}×", va="center",
                  size=0.85 * type_size(), color=INK)  # fmt: skip
    axes.set_xlim(0.0, 1.15 * most)
    axes.locator_params(axis="x", nbins=4)
    return [layer.layer for layer in made.layers]
