"""Residual networks of basic blocks for images of CIFAR's size (He et al. 2016); knows nothing of pruning."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pruneexp.models.initialization import he_fan_out_
from pruneexp.models.ranges import above_zero, blocks_of_depth, channels_of_layers, shape_of_images

WIDTHS = (16, 32, 64)
STAGES = len(WIDTHS)


class CifarResNet(nn.Module):
    """A convolution, three stages of basic blocks, one linear layer: ``depth`` = 6 n + 2 (He et al. 2016, section 4.2).

    The first block of the second and of the third stage halves the maps. Its shortcut has no parameters: it takes every
    other pixel and adds channels of zeros (option A). Only with it ResNet-56 and ResNet-110, and the four networks that
    Li et al. 2017 prune out of them, have the parameters and the FLOP that Liu et al. 2019 go by. Their code averages
    2 x 2 pixels there, and cuts the gradient of the shortcut, which is not repeated here.

    ``widths`` has the channels of each stage. ``inner`` has the outputs of the first convolution of each block, one
    list for each stage: those that Li et al. 2017 prune; None: as many as their stage. Any size of image fits.
    ``gamma`` is the first scale of batch normalisation. With ``block_scales`` a scale that is learned, 1 at first,
    multiplies each block beside its shortcut (Huang and Wang 2018).

    Takes images of shape (B, channels, image_size, image_size), gives logits of shape (B, num_classes).

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 3,
        image_size: int = 32,
        depth: int = 56,
        widths: Sequence[int] = WIDTHS,
        inner: Sequence[Sequence[int]] | None = None,
        gamma: float = 1.0,
        block_scales: bool = False,
    ) -> None:
        super().__init__()
        self.input_shape = shape_of_images(num_classes, channels, image_size)
        above_zero("gamma", gamma)
        blocks = blocks_of_depth(depth, 6, 2)
        channels_of_layers("widths", widths, STAGES)
        within = [[width] * blocks for width in widths] if inner is None else inner
        if not isinstance(within, Sequence) or len(within) != STAGES:
            raise ValueError(f"inner is {within}, must be {STAGES} lists of channels")
        for stage in within:
            channels_of_layers("a list of inner", stage, blocks)
        self.relu = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(widths[0])
        self.stage1 = _stage(widths[0], widths[0], within[0], 1, block_scales)
        self.stage2 = _stage(widths[0], widths[1], within[1], 2, block_scales)
        self.stage3 = _stage(widths[1], widths[2], within[2], 2, block_scales)
        self.fc = nn.Linear(widths[2], num_classes)
        he_fan_out_(self, gamma)

    def forward(self, images: Tensor) -> Tensor:
        x = self.relu(self.norm1(self.conv1(images)))
        x = self.stage3(self.stage2(self.stage1(x)))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation beside a shortcut without parameters; a ReLU after the sum.

    ``scaled`` says whether a scale multiplies them.
    """

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int, scaled: bool = False) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(inputs, inner, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.scale = nn.Parameter(torch.ones(())) if scaled else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        y = y if self.scale is None else y * self.scale
        result: Tensor = self.relu(y + _shortcut(x, y.shape[1], self.stride))
        return result


def _stage(inputs: int, outputs: int, inner: Sequence[int], stride: int, scaled: bool) -> nn.Sequential:
    first = BasicBlock(inputs, inner[0], outputs, stride, scaled)
    return nn.Sequential(first, *(BasicBlock(outputs, width, outputs, 1, scaled) for width in inner[1:]))


def _shortcut(x: Tensor, outputs: int, stride: int) -> Tensor:
    """``x`` (B, C, H, W) at every ``stride``-th pixel, with zeros for the channels it lacks; too many are cut off."""
    if stride > 1:
        x = x[:, :, ::stride, ::stride]
    missing = outputs - x.shape[1]
    return functional.pad(x, (0, 0, 0, 0, 0, missing)) if missing else x
