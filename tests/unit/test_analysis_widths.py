"""Channels left of each layer, as in Liu et al. 2019, Table 7, from hand-made points."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.records import frames, layer_frames
from analysis.tables import widths
from pruneexp.errors import UserError
from pruneexp.schema import LayerRow
from pruneexp.schema.columns import LoggedPoint
from pruneexp.summary.spread import Spread
from tests.contracts.figures import TableContract
from tests.contracts.points import logged, point


def _row(layer: str, kind: str, channels: int, dead: int) -> LayerRow:
    return LayerRow(
        layer=layer, kind=kind, weights_total=500, weights_kept=250, density=0.5, density_effective=0.5, flop=1e3,
        activation_share=1.0, flop_share=0.5, neurons_total=channels, neurons_dead=dead, bytes_dense=2000,
        bytes_sparse=100,
    )  # fmt: skip


def seeds(model: str = "vgg16_cifar", parameters: int | None = 5_000) -> list[LoggedPoint]:
    """Two seeds of three layers: the last, which is linear, loses no output."""
    made = []
    for seed in (0, 1):
        one = point(model=model, data="cifar10", criterion="channel_magnitude", seed=seed)
        rows = (_row("conv1", "conv", 64, 20 + 2 * seed), _row("conv2", "conv", 64, 0), _row("fc", "linear", 10, 0))
        made.append(replace(one, layers=rows, result=replace(one.result, removed_parameters=parameters)))
    return logged(*made)


def _made(points: list[LoggedPoint]) -> widths.Widths:
    layers = {one.run_id: one.point.layers for one in points}
    return widths.data(layer_frames.frame(frames.frame(points), layers))


class TestWidths(TableContract):
    name = "widths"
    records = staticmethod(seeds)


def test_the_channels_by_hand_beside_the_papers() -> None:
    made = _made(seeds())
    assert [(layer.layer, layer.original, layer.kept.mean) for layer in made.layers] == [
        ("conv1", 64, 43.0),  # 44 and 42
        ("conv2", 64, 64.0),
        ("Total", 128, 107.0),
    ]
    assert made.layers[0].kept.std == pytest.approx(2**0.5)
    assert [layer.paper for layer in made.layers] == [
        Spread(39.0, 3.7, 39.0, 39.0, 5), Spread(64.0, 0.0, 64.0, 64.0, 5), Spread(1689.2, None, 1689.2, 1689.2, 5)
    ]  # fmt: skip
    sheet = widths.sheet(made)
    assert [cell.text for cell in sheet.rows[0]] == ["conv1", "64", "43.0 ± 1.4", "67.2", "39.0 ± 3.7"]


def test_other_networks_have_no_paper() -> None:
    made = _made(seeds("lenet5"))
    assert {layer.paper for layer in made.layers} == {None}
    assert widths.sheet(made).header == ("Layer", "Original", "Kept", "Kept, %")


def test_single_weights_have_no_channels() -> None:
    with pytest.raises(UserError, match=r"pruned weight by weight"):
        _made(seeds(parameters=None))
