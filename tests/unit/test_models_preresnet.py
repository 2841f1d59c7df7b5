"""PreResNet: its blocks, its shortcuts, other images, wrong arguments."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pruneexp.models.preresnet import PreActivationBottleneck, PreResNet
from pruneexp.pruning.layers import prunable
from tests.contracts.networks import NetworkContract


class TestPreResNet(NetworkContract):
    classes = 3
    layers = (
        "conv1",
        *(f"stage{stage}.0.{part}" for stage in (1, 2, 3) for part in ("conv1", "conv2", "conv3", "shortcut")),
        "fc",
    )

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


def test_scales_of_blocks_start_from_one_and_multiply_what_is_added() -> None:
    def build(scaled: bool) -> nn.Module:
        torch.manual_seed(0)
        return PreResNet(3, 1, 14, depth=11, widths=(2, 3, 4), block_scales=scaled).eval()

    images, plain, scaled = torch.rand(2, 1, 14, 14), build(False), build(True)
    assert torch.equal(plain(images), scaled(images))
    added = {f"stage{stage}.0.scale" for stage in (1, 2, 3)}
    assert scaled.state_dict().keys() - plain.state_dict().keys() == added
    for name in added:
        nn.init.zeros_(scaled.get_parameter(name))
    blocks = [each for each in plain.modules() if isinstance(each, PreActivationBottleneck)]
    for block in blocks:
        last = block.conv3
        nn.init.zeros_(last.weight)
    assert torch.equal(plain(images), scaled(images))


@pytest.mark.parametrize(("channels", "size"), [(1, 14), (1, 28), (3, 32), (3, 9)])
def test_other_images(channels: int, size: int) -> None:
    network = PreResNet(7, channels, size, depth=11)
    assert network(torch.zeros(2, channels, size, size)).shape == (2, 7)


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
