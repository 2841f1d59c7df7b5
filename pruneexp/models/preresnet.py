"""Pre-activation residual networks of bottlenecks for images of CIFAR's size (He et al. 2016, "Identity mappings").

Knows nothing of pruning.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pruneexp.models.initialization import he_fan_out_
from pruneexp.models.ranges import above_zero, blocks_of_depth, channels_of_layers, shape_of_images

WIDTHS = (16, 32, 64)
EXPANSION = 4  # channels of a block's output for each of its bottleneck


class PreResNet(nn.Module):
    """A convolution, three stages of bottlenecks, one linear layer: ``depth`` = 9 n + 2.

    Normalisation and ReLU stand before each convolution. The first block of each stage has a 1 x 1 convolution as its
    shortcut, which that of the second and third stage halves the maps with: the form of Liu et al. 2019. ``widths`` has
    the channels of the bottlenecks of each stage, whose outputs have four times as many; the first convolution gives
    as many as the first bottlenecks have. Any size of image fits. ``gamma`` is the first scale of batch normalisation.
    With ``block_scales`` a scale that is learned, 1 at first, multiplies each block beside its shortcut (Huang and Wang
    2018).

    Takes images of shape (B, channels, image_size, image_size), gives logits of shape (B, num_classes).

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 3,
        image_size: int = 32,
        depth: int = 164,
        widths: Sequence[int] = WIDTHS,
        gamma: float = 1.0,
        block_scales: bool = False,
    ) -> None:
        super().__init__()
        self.input_shape = shape_of_images(num_classes, channels, image_size)
        above_zero("gamma", gamma)
        blocks = blocks_of_depth(depth, 9, 2)
        channels_of_layers("widths", widths, 3)
        self.relu = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.stage1 = _stage(widths[0], widths[0], blocks, 1, block_scales)
        self.stage2 = _stage(EXPANSION * widths[0], widths[1], blocks, 2, block_scales)
        self.stage3 = _stage(EXPANSION * widths[1], widths[2], blocks, 2, block_scales)
        self.norm = nn.BatchNorm2d(EXPANSION * widths[2])
        self.fc = nn.Linear(EXPANSION * widths[2], num_classes)
        he_fan_out_(self, gamma)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stage3(self.stage2(self.stage1(self.conv1(images))))
        x = self.relu(self.norm(x))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


class PreActivationBottleneck(nn.Module):
    """Convolutions of 1, 3 and 1 pixels, each after normalisation and ReLU, beside a shortcut from their raw input.

    ``scaled`` says whether a scale multiplies them.
    """

    def __init__(self, inputs: int, width: int, stride: int, scaled: bool = False) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        changed = inputs != outputs or stride > 1
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False) if changed else nn.Identity()
        self.scale = nn.Parameter(torch.ones(())) if scaled else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.relu(self.norm1(x)))
        y = self.conv2(self.relu(self.norm2(y)))
        y = self.conv3(self.relu(self.norm3(y)))
        y = y if self.scale is None else y * self.scale
        result: Tensor = y + self.shortcut(x)
        return result


def _stage(inputs: int, width: int, blocks: int, stride: int, scaled: bool) -> nn.Sequential:
    first = PreActivationBottleneck(inputs, width, stride, scaled)
    others = (PreActivationBottleneck(EXPANSION * width, width, 1, scaled) for _ in range(blocks - 1))
    return nn.Sequential(first, *others)
