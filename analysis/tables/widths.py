"""How many channels pruning left of each layer, as in Liu et al. 2019, Table 7, over seeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from analysis.paper import paper_numbers
from analysis.publishing.numbers import CsvRow, spread_columns
from analysis.publishing.sheet import MISSING, TableSheet, spread_text, table_sheet
from analysis.statistics.one_budget import NO_LAYERS, OneBudget, by_layer, one_budget
from pruneexp.errors import UserError
from pruneexp.summary.spread import Spread, spread

MADE_OF = "layers"

TOTAL = "Total"
#: The network of the paper's table, by its name here.
PAPER_MODEL = "vgg16_cifar"
_TITLE = ("reg", "criterion", "schedule", "mode")


class LayerWidth(NamedTuple):
    """The channels of one layer, or of all: those it had, those it kept, and those that the paper's network kept."""

    layer: str
    original: int
    kept: Spread
    paper: Spread | None


class Widths(NamedTuple):
    """``layers`` in the order of the network, their sum last."""

    of: OneBudget
    layers: tuple[LayerWidth, ...]


def data(frame: pd.DataFrame) -> Widths:
    """The layers of one point, or the means over the seeds of one budget.

    A channel is kept while one of its weights leads from the inputs to the outputs. Layers that are no convolution are
    there where they have lost one.

    Raises:
        UserError: there is no point, there are several that differ in more than the seed, or single weights were
            pruned.
    """
    of = one_budget(frame, NO_LAYERS)
    if frame["removed_parameters"].isna().all():
        raise UserError("these points were pruned weight by weight: choose those of a criterion that takes channels "
                        "out, as `--where criterion=channel_magnitude` does.")  # fmt: skip
    rows = frame.assign(kept=frame["layer.neurons_total"] - frame["layer.neurons_dead"])
    return Widths(of, _layers(rows, _paper(of.model)))


def _layers(rows: pd.DataFrame, paper: dict[str, Spread]) -> tuple[LayerWidth, ...]:
    convolution, losing = rows["layer.kind"] == "conv", rows["layer.neurons_dead"] > 0
    shown = rows[convolution | losing.groupby(rows["layer.layer"]).transform("any")]
    made, count = [], 0
    for name, same in by_layer(shown):
        count += bool((same["layer.kind"] == "conv").all())
        printed = paper.get(f"layer {count}") if (same["layer.kind"] == "conv").all() else None
        made.append(LayerWidth(name, int(same["layer.neurons_total"].iloc[0]), spread(same["kept"]), printed))
    sums = spread(shown.groupby("run_id")["kept"].sum())
    return (*made, LayerWidth(TOTAL, sum(one.original for one in made), sums, paper.get(TOTAL.lower())))


def _paper(model: str) -> dict[str, Spread]:
    """What the paper's networks kept, by its names of layers; nothing for other networks."""
    return {
        number.row: Spread(number.value, number.std, number.value, number.value, 5)
        for number in paper_numbers("rethinking_table7_slimmed_widths")
        if model == PAPER_MODEL and number.metric == "width_pruned"
    }


def rows(made: Widths) -> Iterator[CsvRow]:
    """One layer: channels, over ``n`` seeds."""
    for layer in made.layers:
        yield {
            **made.of.columns,
            "layer": layer.layer,
            "original": layer.original,
            **spread_columns("kept", layer.kept),
            "kept_low": layer.kept.low,
            "kept_high": layer.kept.high,
            "n": layer.kept.n,
            **spread_columns("paper_kept", layer.paper),
            "runs": made.of.run_ids,
        }


def sheet(made: Widths) -> TableSheet:
    compared = any(layer.paper for layer in made.layers)
    header = ("Layer", "Original", "Kept", "Kept, %", *["Paper: kept"] * compared)
    return table_sheet(
        f"Channels left of each layer: {made.of.subject}, {made.of.how(*_TITLE)}, at {made.of.budget}",
        header,
        "l" + "r" * (len(header) - 1),
        (_line(layer, compared) for layer in made.layers),
        _notes(made, compared),
    )


def _line(layer: LayerWidth, compared: bool) -> Iterator[str]:
    yield layer.layer
    yield f"{layer.original:,}"
    yield spread_text(layer.kept, 1)
    yield f"{100.0 * layer.kept.mean / layer.original:.1f}"
    if compared:
        yield spread_text(layer.paper, 1) if layer.paper else MISSING


def _notes(made: Widths, compared: bool) -> Iterator[str]:
    alike = len(made.of.runs) > 1 and all(layer.kept.low == layer.kept.high for layer in made.layers)
    yield f"Channels kept: {made.of.spread_over}{'; every seed keeps as many' if alike else ''}."
    if compared:
        yield (
            "Paper: VGG-16 on CIFAR-10, pruned by Network Slimming to 40 % of its channels, mean ± standard deviation "
            "of 5 runs (Liu et al. 2019, Table 7, which is Table 8 in the first edition, where the caption says 40 % "
            "pruned)."
        )
