"""ResNet for CIFAR: its blocks, its shortcuts by hand, narrower blocks, other images, wrong arguments."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pruneexp.models.resnet_cifar import BasicBlock, CifarResNet
from pruneexp.pruning.layers import prunable
from tests.contracts.networks import ResidualContract

INNER = ((3, 4), (5, 8), (16, 9))


class TestCifarResNet(ResidualContract):
    classes = 3
    layers = (
        "conv1",
        *(f"stage{stage}.{block}.conv{n}" for stage in (1, 2, 3) for block in (0, 1) for n in (1, 2)),
        "fc",
    )
    block, last = BasicBlock, "norm2"
    sized = staticmethod(lambda channels, size: CifarResNet(7, channels, size, depth=8))
    scaled = staticmethod(lambda scales: CifarResNet(3, 1, 14, depth=8, widths=(4, 8, 16), block_scales=scales))

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], nn.Module]:
        return lambda: CifarResNet(3, 1, 14, depth=14, widths=(4, 8, 16), inner=INNER)


def test_inner_channels_are_those_of_the_first_convolution_of_each_block() -> None:
    network = CifarResNet(depth=14, widths=(4, 8, 16), inner=INNER)
    blocks = [module for module in network.modules() if isinstance(module, BasicBlock)]
    assert [block.conv1.out_channels for block in blocks] == [3, 4, 5, 8, 16, 9]
    assert [block.conv2.out_channels for block in blocks] == [4, 4, 8, 8, 16, 16]
    assert len(prunable(CifarResNet(depth=20))) == 20


def test_a_shortcut_takes_every_other_pixel_and_adds_zeros() -> None:
    block = BasicBlock(2, 3, 5, stride=2).eval()
    nn.init.zeros_(block.conv2.weight)  # nothing is added to the shortcut
    images = torch.rand(1, 2, 5, 5)
    found = block(images)
    assert torch.equal(found[:, :2], images[:, :, [0, 2, 4]][..., [0, 2, 4]])
    assert found.shape == (1, 5, 3, 3)
    assert not found[:, 2:].any()


def test_shortcuts_have_no_parameters_and_pass_gradients_on() -> None:
    block = BasicBlock(2, 3, 5, stride=2)
    assert {name.partition(".")[0] for name, _ in block.named_parameters()} == {"conv1", "norm1", "conv2", "norm2"}
    nn.init.zeros_(block.conv2.weight)
    images = torch.rand(1, 2, 4, 4, requires_grad=True)
    block.eval()(images).sum().backward()
    assert images.grad is not None
    assert images.grad.bool().tolist() == [[[[x % 2 == y % 2 == 0 for x in range(4)] for y in range(4)]] * 2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"num_classes": 1}, "num_classes is 1, must be at least 2"),
        ({"depth": 18}, r"depth is 18, must be 6 n \+ 2: 8, 14, 20, ..."),
        ({"depth": 2}, r"depth is 2, must be 6 n \+ 2"),
        ({"widths": [16, 32]}, r"widths is \[16, 32\], must be a list of 3 whole numbers, each at least 1"),
        ({"widths": 16}, "widths is 16, must be a list of 3 whole numbers"),
        ({"inner": [[1] * 9] * 2}, "inner is .*, must be 3 lists of channels"),
        ({"inner": [[1] * 8] * 3}, "a list of inner is .*, must be a list of 9 whole numbers, each at least 1"),
        ({"inner": [[0] * 9] * 3}, "a list of inner is .*, must be a list of 9 whole numbers"),
        ({"gamma": -1.0}, "gamma is -1.0, must be above 0"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CifarResNet(**arguments)  # type: ignore[arg-type]
