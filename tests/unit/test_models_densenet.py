"""DenseNet: its blocks and transitions, other images, wrong arguments."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pruneexp.models.densenet import DenseLayer, DenseNet, Transition
from pruneexp.pruning.layers import prunable
from tests.contracts.networks import NetworkContract


class TestDenseNet(NetworkContract):
    classes = 3
    layers = (
        "conv1",
        *("block1.0.conv", "block1.1.conv", "transition1.conv", "block2.0.conv", "block2.1.conv", "transition2.conv"),
        *("block3.0.conv", "block3.1.conv", "fc"),
    )

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], nn.Module]:
        return lambda: DenseNet(3, 1, 14, depth=10, growth=4)


class TestDenseNetBC(NetworkContract):
    classes = 3
    layers = (
        "conv1",
        *("block1.0.bottleneck", "block1.0.conv", "transition1.conv"),
        *("block2.0.bottleneck", "block2.0.conv", "transition2.conv"),
        *("block3.0.bottleneck", "block3.0.conv", "fc"),
    )

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], nn.Module]:
        return lambda: DenseNet(3, 3, 12, depth=10, growth=4, bottleneck=True, compression=0.5)


def test_channels_grow_by_hand() -> None:
    plain, halved = DenseNet(), DenseNet(depth=100, bottleneck=True, compression=0.5)
    assert [plain.transition1.outputs, plain.transition2.outputs, plain.fc.in_features] == [168, 312, 456]
    # 24 + 16 x 12 = 216; 108 + 192 = 300; 150 + 192 = 342
    assert [halved.transition1.outputs, halved.transition2.outputs, halved.fc.in_features] == [108, 150, 342]
    assert (len(prunable(plain)), len(prunable(halved))) == (40, 100)


def test_a_layer_puts_its_outputs_after_its_inputs() -> None:
    layer = DenseLayer(3, 2, bottleneck=False).eval()
    images = torch.rand(1, 3, 4, 4)
    found = layer(images)
    assert torch.equal(found[:, :3], images)
    assert torch.equal(found[:, 3:], layer.conv(layer.norm1(images).relu()))


@pytest.mark.parametrize(("size", "left"), [(32, 8), (28, 7), (14, 3), (7, 3), (3, 3)])
def test_a_transition_leaves_at_least_two_by_two_pixels(size: int, left: int) -> None:
    sides: list[int] = []
    network = DenseNet(7, 1, size, depth=7, growth=2)
    network.norm.register_forward_hook(lambda *call: sides.append(call[2].shape[-1]))
    assert network.eval()(torch.zeros(1, 1, size, size)).shape == (1, 7)
    assert sides == [left]


def test_a_transition_keeps_a_channel() -> None:
    assert Transition(3, 0.1, pooled=True).outputs == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"depth": 41}, "depth is 41, must be 3 n . 4: 7, 10, 13, ..."),
        ({"depth": 43, "bottleneck": True}, "depth is 43, must be 6 n . 4: 10, 16, 22, ..."),
        ({"growth": 0}, "growth is 0, must be at least 1"),
        ({"compression": 1.5}, "compression is 1.5, must be above 0 and at most 1"),
        ({"gamma": 0}, "gamma is 0, must be above 0"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DenseNet(**arguments)  # type: ignore[arg-type]
