"""PreResNet: its blocks, its shortcuts, other images, wrong arguments."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pruneexp.models.preresnet import PreActivationBottleneck, PreResNet
from pruneexp.pruning.layers import prunable
from tests.contracts.networks import ResidualContract


class TestPreResNet(ResidualContract):
    classes = 3
    layers = (
        "conv1",
        *(f"stage{stage}.0.{part}" for stage in (1, 2, 3) for part in ("conv1", "conv2", "conv3", "shortcut")),
        "fc",
    )
    block, last = PreActivationBottleneck, "conv3"
    sized = staticmethod(lambda channels, size: PreResNet(7, channels, size, depth=11))
    scaled = staticmethod(lambda scales: PreResNet(3, 1, 14, depth=11, widths=(2, 3, 4), block_scales=scales))

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], nn.Module]:
        return lambda: PreResNet(3, 1, 14, depth=11, widths=(4, 6, 8))


def test_the_first_block_of_each_stage_alone_has_a_layer_as_its_shortcut() -> None:
    network = PreResNet(depth=20, widths=(4, 6, 8))
    assert [name for name in prunable(network) if name.endswith("shortcut")] == [
        f"stage{stage}.0.shortcut" for stage in (1, 2, 3)
    ]
    assert network.fc.in_features == 4 * 8


def test_what_a_block_adds_goes_by_its_raw_input() -> None:
    block = PreActivationBottleneck(8, 2, stride=1).eval()
    nn.init.zeros_(block.conv3.weight)
    images = torch.randn(2, 8, 3, 3)
    assert torch.equal(block(images), images)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"depth": 57}, "depth is 57, must be 9 n . 2: 11, 20, 29, ..."),
        ({"widths": [16, 32, 64, 128]}, "widths is .*, must be a list of 3 whole numbers, each at least 1"),
        ({"gamma": 0}, "gamma is 0, must be above 0"),
        ({"image_size": 0}, "image_size is 0, must be at least 1"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PreResNet(**arguments)  # type: ignore[arg-type]
