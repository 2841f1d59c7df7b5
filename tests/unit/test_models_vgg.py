"""VGG-16: sizes of Han et al. 2015, Table 5, smaller images, wrong arguments."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pruneexp.models.vgg import VGG16
from pruneexp.pruning.layers import weights
from tests.contracts.networks import NetworkContract

CONVOLUTIONS = {
    "conv1_1": 1_728,
    "conv1_2": 36_864,
    "conv2_1": 73_728,
    "conv2_2": 147_456,
    "conv3_1": 294_912,
    "conv3_2": 589_824,
    "conv3_3": 589_824,
    "conv4_1": 1_179_648,
    "conv4_2": 2_359_296,
    "conv4_3": 2_359_296,
    "conv5_1": 2_359_296,
    "conv5_2": 2_359_296,
    "conv5_3": 2_359_296,
}


class TestVGG16(NetworkContract):
    classes = 3
    layers = (*CONVOLUTIONS, "fc6", "fc7", "fc8")

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], nn.Module]:
        return lambda: VGG16(num_classes=3, channels=1, image_size=32, dropout=0.1)


def test_sizes_of_table_5() -> None:
    with torch.device("meta"):
        network = VGG16()
    sizes = {name: weight.numel() for name, weight in weights(network).items()}
    assert sizes == CONVOLUTIONS | {"fc6": 102_760_448, "fc7": 16_777_216, "fc8": 4_096_000}
    assert sum(p.numel() for p in network.parameters()) == 138_357_544  # as torchvision's vgg16


def test_the_image_size_changes_fc6_alone() -> None:
    with torch.device("meta"):
        network = VGG16(num_classes=10, image_size=96)
        assert network(torch.zeros(2, 3, 96, 96)).shape == (2, 10)
    assert network.fc6.in_features == 512 * 9


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"image_size": 0}, "image_size is 0, must be a multiple of 32, at least 32"),
        ({"image_size": 48}, "image_size is 48, must be a multiple of 32, at least 32"),
        ({"num_classes": 1}, "num_classes is 1, must be at least 2"),
        ({"channels": -1}, "channels is -1, must be at least 1"),
        ({"dropout": -0.1}, r"dropout is -0.1, must be in \[0, 1\)"),
    ],
)
def test_wrong_arguments(arguments: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        VGG16(**arguments)
