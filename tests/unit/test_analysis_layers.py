"""What is left of each layer, as in Han et al. 2015, Tables 2 to 5, from hand-made points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch import nn

from analysis.records import frames, layer_frames
from analysis.tables import layers
from analysis.tables.layers import PaperLayer
from pruneexp.errors import UserError
from pruneexp.models.alexnet import AlexNet
from pruneexp.models.lenet import LeNet5, LeNet300100
from pruneexp.models.vgg import VGG16
from pruneexp.pruning.layers import prunable
from pruneexp.schema import LayerRow
from pruneexp.schema.columns import LoggedPoint
from pruneexp.summary.spread import Spread
from tests.contracts.figures import TableContract
from tests.contracts.points import logged, point


def _row(layer: str, kept: int, activation: float) -> LayerRow:
    return LayerRow(
        layer=layer, kind="conv", weights_total=500, weights_kept=kept, density=kept / 500, density_effective=0.1,
        flop=576e3, activation_share=activation, flop_share=kept / 1000, neurons_total=20, neurons_dead=0,
        bytes_dense=2000, bytes_sparse=100,
    )  # fmt: skip


def seeds() -> list[LoggedPoint]:
    """Two seeds of LeNet-5, of which conv1 and a layer that the paper's network lacks are told."""
    made = [
        replace(point(seed=seed, density=0.1), layers=(_row("conv1", 300 + 20 * seed, 0.8), _row("tail", 50, 0.25)))
        for seed in (0, 1)
    ]
    return logged(*made)


def _frame(points: list[LoggedPoint]) -> pd.DataFrame:
    return layer_frames.frame(frames.frame(points), {one.run_id: one.point.layers for one in points})


class TestLayers(TableContract):
    name = "layers"
    records = staticmethod(seeds)


def test_the_rows_by_hand() -> None:
    made = layers.data(_frame(seeds()))
    conv1, tail, total = made.layers
    assert (conv1.layer, conv1.weights_dense, conv1.flop_dense) == ("conv1", 500, 576e3)
    assert conv1.weights.mean == 62.0
    assert conv1.weights.std == pytest.approx(8**0.5)
    assert conv1.flop.mean == 31.0
    assert conv1.activation == Spread(80.0, 0.0, 80.0, 80.0, 2)
    assert conv1.paper == PaperLayer(82.0, 66.0, 66.0)  # Han et al. 2015, Table 3
    assert (tail.layer, tail.paper) == ("tail", None)
    assert (total.layer, total.weights_dense, total.weights.mean, total.flop.mean) == ("Total", 10_000, 10.0, 5.0)
    assert total.activation.mean == 50.0


def test_the_sheet_has_the_columns_of_the_paper() -> None:
    sheet = layers.sheet(layers.data(_frame(seeds()[:1])))
    assert sheet.title.endswith(
        "LeNet-5 on MNIST (5,000 digits), L2, layer_magnitude, one-shot, fine-tuning, at density=0.1"
    )
    assert sheet.header[:6] == ("Layer", "Weights", "FLOP", "Act%", "Weights%", "FLOP%")
    assert [cell.text for cell in sheet.rows[0]] == [
        "conv1", "500", "576,000", "80.0", "60.0", "30.0", "82", "66", "66",
    ]  # fmt: skip
    assert [cell.text for cell in sheet.rows[1][6:]] == ["–", "–", "–"]


@pytest.mark.parametrize(
    ("model", "build"),
    [("lenet_300_100", LeNet300100), ("lenet5", LeNet5), ("alexnet", AlexNet), ("vgg16", VGG16)],
)
def test_the_paper_prints_three_shares_of_each_layer(model: str, build: Callable[[], nn.Module]) -> None:
    with torch.device("meta"):
        names = prunable(build())
    (one,) = logged(replace(point(model=model), layers=tuple(_row(name, 10, 0.5) for name in names)))
    made = layers.data(_frame([one]))
    assert {layer.layer for layer in made.layers} == {*names, "Total"}
    assert all(layer.paper and None not in layer.paper for layer in made.layers)


def test_a_network_that_no_paper_has_stands_alone() -> None:
    (one,) = logged(replace(point(model="resnet20"), layers=(_row("conv1", 10, 0.5),)))
    assert layers.sheet(layers.data(_frame([one]))).header[-1] == "FLOP%"


def test_different_points_name_what_to_choose_by() -> None:
    rows = (_row("conv1", 10, 0.5),)
    points = logged(*(replace(point(density=density, reg=reg), layers=rows)
                      for density in (0.1, 0.2) for reg in ("l1", "l2")))  # fmt: skip
    with pytest.raises(UserError, match=r"^4 different points .* choose with --where by reg, budget\.value\.$"):
        layers.data(_frame(points))
