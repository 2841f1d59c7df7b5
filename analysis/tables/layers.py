"""What is left of each layer of one pruned network, as in Han et al. 2015, Tables 2 to 5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pandas as pd

from analysis.paper import paper_numbers
from analysis.publishing.numbers import CsvRow, spread_columns
from analysis.publishing.sheet import MISSING, TableSheet, spread_text, table_sheet
from analysis.statistics.one_budget import NO_LAYERS, OneBudget, by_layer, one_budget
from pruneexp.summary.spread import Spread, spread

MADE_OF = "layers"

TOTAL = "Total"
#: The paper's table of each of our networks that it has too.
PAPER_TABLES = {
    "lenet_300_100": "han2015_table2_lenet300100",
    "lenet5": "han2015_table3_lenet5",
    "alexnet": "han2015_table4_alexnet",
    "vgg16": "han2015_table5_vgg16",
}
#: The conditions that the title names; all are in the CSV.
_TITLE = ("reg", "criterion", "schedule", "mode", "study")
_SHARES = ("Act%", "Weights%", "FLOP%")
_PRINTED = ("activation_density", "weight_density", "flop_density")


class PaperLayer(NamedTuple):
    """The paper's shares of one layer, in percent; ``None`` where it prints none."""

    activation: float | None
    weights: float | None
    flop: float | None


class LayerCosts(NamedTuple):
    """One layer, or the whole network: what it has when dense, and the shares of it that are left, in percent.

    ``activation`` is the share of non-zero outputs, ``flop`` that of multiply-adds whose weight and input are left.
    """

    layer: str
    weights_dense: int
    flop_dense: float
    activation: Spread
    weights: Spread
    flop: Spread
    paper: PaperLayer | None


class LayerTable(NamedTuple):
    """``layers`` in the order of the network, the whole network last."""

    of: OneBudget
    layers: tuple[LayerCosts, ...]


def data(frame: pd.DataFrame) -> LayerTable:
    """The layers of one point, or the means over the seeds of one budget.

    Raises:
        UserError: there is no point, or there are several that differ in more than the seed.
    """
    of = one_budget(frame, NO_LAYERS)
    paper = _paper(of.model)
    layers = [_layer(name, rows, paper.get(name)) for name, rows in by_layer(frame)]
    return LayerTable(of, (*layers, _total(frame.drop_duplicates("run_id"), paper.get(TOTAL))))


def _layer(name: str, rows: pd.DataFrame, paper: PaperLayer | None) -> LayerCosts:
    return LayerCosts(
        layer=name,
        weights_dense=int(rows["layer.weights_total"].iloc[0]),
        flop_dense=float(rows["layer.flop"].iloc[0]),
        activation=spread(100.0 * rows["layer.activation_share"]),
        weights=spread(100.0 * rows["layer.density"]),
        flop=spread(100.0 * rows["layer.flop_share"]),
        paper=paper,
    )


def _total(points: pd.DataFrame, paper: PaperLayer | None) -> LayerCosts:
    return LayerCosts(
        layer=TOTAL,
        weights_dense=int(points["weights_total"].iloc[0]),
        flop_dense=float(points["flop_dense"].iloc[0]),
        activation=spread(100.0 * points["activation_share"]),
        weights=spread(100.0 * points["density"]),
        flop=spread(100.0 * points["flop_effective"] / points["flop_dense"]),
        paper=paper,
    )


def _paper(model: str) -> Mapping[str, PaperLayer]:
    """The paper's rows by layer; none for networks that it does not have."""
    values: dict[str, dict[str, float]] = {}
    for number in paper_numbers(PAPER_TABLES[model]) if model in PAPER_TABLES else ():
        values.setdefault(number.row, {})[number.metric] = number.value
    return {layer: PaperLayer(*map(of.get, _PRINTED)) for layer, of in values.items()}


def rows(made: LayerTable) -> Iterator[CsvRow]:
    """One layer; shares in percent, over ``n`` seeds."""
    for layer in made.layers:
        paper = layer.paper or PaperLayer(None, None, None)
        yield {
            **made.of.columns,
            "layer": layer.layer,
            "weights": layer.weights_dense,
            "flop": layer.flop_dense,
            **spread_columns("activation", layer.activation),
            **spread_columns("weights_kept", layer.weights),
            **spread_columns("flop_left", layer.flop),
            "n": layer.weights.n,
            "paper_activation": paper.activation,
            "paper_weights_kept": paper.weights,
            "paper_flop_left": paper.flop,
            "runs": made.of.run_ids,
        }


def sheet(made: LayerTable) -> TableSheet:
    compared = any(layer.paper for layer in made.layers)
    header = ("Layer", "Weights", "FLOP", *_SHARES, *(f"Paper: {name}" for name in _SHARES if compared))
    lines = (_line(layer, compared) for layer in made.layers)
    title = f"What is left of each layer: {made.of.subject}, {made.of.how(*_TITLE)}, at {made.of.budget}"
    return table_sheet(title, header, "l" + "r" * (len(header) - 1), lines, _notes(made, compared))


def _line(layer: LayerCosts, compared: bool) -> Iterator[str]:
    yield layer.layer
    yield f"{layer.weights_dense:,}"
    yield f"{layer.flop_dense:,.0f}"
    yield from (spread_text(share, 1) for share in (layer.activation, layer.weights, layer.flop))
    if compared:
        printed = layer.paper or PaperLayer(None, None, None)
        yield from (MISSING if value is None else f"{value:g}" for value in printed)


def _notes(made: LayerTable, compared: bool) -> Iterator[str]:
    example = "example" if "task" in dict(made.of.conditions) else "image"
    yield (
        f"Weights and FLOP (two per multiply-add, for one {example}) are those of the dense network; shares are "
        f"what is left, {made.of.spread_over}. Act%: non-zero outputs of the layer. Weights%: weights kept. FLOP%: "
        "multiply-adds whose weight is kept and whose input is not zero."
    )
    if compared:
        table = paper_numbers(PAPER_TABLES[made.of.model])[0].table
        yield f"Paper: the pruned network of Han et al. 2015, {table}, whose own data, activations and size may differ."
