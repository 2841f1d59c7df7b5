"""Densely connected networks for images of CIFAR's size (Huang et al. 2017); knows nothing of pruning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pruneexp.models.initialization import he_fan_out_
from pruneexp.models.ranges import above_zero, at_least, blocks_of_depth, shape_of_images

BOTTLENECK = 4  # channels of a bottleneck for each that its layer adds
LEAST_POOLED = 4  # px, side of the smallest maps that are pooled


class DenseNet(nn.Module):
    """A convolution, three dense blocks with transitions between them, one linear layer (Huang et al. 2017, section 3).

    Each layer of a block sees the outputs of all before it and adds ``growth`` channels. ``depth`` is 3 n + 4, or with
    ``bottleneck``, a 1 x 1 convolution before each of 3 x 3, 6 n + 4. A transition keeps the share ``compression`` of
    the channels (a bottleneck and 0.5: DenseNet-BC). The first convolution gives twice the growth, as in the code of
    Liu et al. 2019. The average pooling of a transition that would leave less than 2 x 2 pixels is left out.
    ``gamma`` is the first scale of batch normalisation.

    Takes images of shape (B, channels, image_size, image_size), gives logits of shape (B, num_classes).

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 3,
        image_size: int = 32,
        depth: int = 40,
        growth: int = 12,
        bottleneck: bool = False,
        compression: float = 1.0,
        gamma: float = 1.0,
    ) -> None:
        super().__init__()
        self.input_shape = shape_of_images(num_classes, channels, image_size)
        at_least("growth", growth, 1)
        above_zero("gamma", gamma)
        if not 0 < compression <= 1:
            raise ValueError(f"compression is {compression}, must be above 0 and at most 1")
        layers = blocks_of_depth(depth, 6 if bottleneck else 3, 4)
        self.relu = nn.ReLU(inplace=True)
        inputs = 2 * growth
        self.conv1 = nn.Conv2d(channels, inputs, 3, padding=1, bias=False)
        self.block1 = _block(inputs, growth, layers, bottleneck)
        self.transition1 = Transition(inputs + layers * growth, compression, image_size >= LEAST_POOLED)
        inputs = self.transition1.outputs
        self.block2 = _block(inputs, growth, layers, bottleneck)
        self.transition2 = Transition(inputs + layers * growth, compression, image_size // 2 >= LEAST_POOLED)
        inputs = self.transition2.outputs
        self.block3 = _block(inputs, growth, layers, bottleneck)
        inputs += layers * growth
        self.norm = nn.BatchNorm2d(inputs)
        self.fc = nn.Linear(inputs, num_classes)
        he_fan_out_(self, gamma)

    def forward(self, images: Tensor) -> Tensor:
        x = self.transition1(self.block1(self.conv1(images)))
        x = self.block3(self.transition2(self.block2(x)))
        x = self.relu(self.norm(x))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


class DenseLayer(nn.Module):
    """Normalisation, ReLU and a 3 x 3 convolution, whose outputs are put after its inputs; a bottleneck before it."""

    def __init__(self, inputs: int, growth: int, bottleneck: bool) -> None:
        super().__init__()
        width = BOTTLENECK * growth if bottleneck else inputs
        self.relu = nn.ReLU(inplace=True)
        self.norm1 = nn.BatchNorm2d(inputs)
        self.bottleneck: nn.Module | None = None
        if bottleneck:
            self.bottleneck = nn.Conv2d(inputs, width, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm1(x))
        if self.bottleneck is not None:
            y = self.relu(self.norm2(self.bottleneck(y)))
        return torch.cat((x, self.conv(y)), 1)


class Transition(nn.Module):
    """Normalisation, ReLU, a 1 x 1 convolution to a share of the channels, and an average pooling where ``pooled``."""

    def __init__(self, inputs: int, compression: float, pooled: bool) -> None:
        super().__init__()
        self.outputs = max(1, int(inputs * compression))
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(inputs, self.outputs, 1, bias=False)
        self.pool = nn.AvgPool2d(2) if pooled else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.pool(self.conv(self.relu(self.norm(x))))
        return result


def _block(inputs: int, growth: int, layers: int, bottleneck: bool) -> nn.Sequential:
    return nn.Sequential(*(DenseLayer(inputs + i * growth, growth, bottleneck) for i in range(layers)))
