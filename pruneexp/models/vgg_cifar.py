"""VGG with batch normalisation for images of CIFAR's size, as Liu et al. 2019 compare it; knows nothing of pruning."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from pruneexp.models.initialization import he_fan_out_
from pruneexp.models.ranges import above_zero, at_least, channels_of_stages, shape_of_images

VGG16_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
LINEAR_STD = 0.01
LEAST_POOLED = 4  # px, side of the smallest maps that are pooled


class CifarVGG(nn.Module):
    """Stages of 3 x 3 convolutions, each with batch normalisation and ReLU; pooling between stages, one linear layer.

    ``widths`` has the channels of each convolution, one list for each stage; its default is VGG-16. The last maps are
    averaged over all their positions, as an average pooling of 2 x 2 does at 32 px. A pooling that would leave less
    than 2 x 2 pixels is left out, at 28 px the fourth and at 14 px the third, too: on a single pixel, eight of the nine
    weights of a kernel would see nothing but padding. ``hidden_units`` adds a linear layer of so many units, with batch
    normalisation and ReLU, before the last one: the form in which Liu et al. 2019 prune VGG-16 by the L1 norm of
    filters, without the bias that its normalisation takes away. ``gamma`` is the first scale of batch normalisation.

    Takes images of shape (B, channels, image_size, image_size), gives logits of shape (B, num_classes).

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        num_classes: int = 10,
        channels: int = 3,
        image_size: int = 32,
        widths: Sequence[Sequence[int]] = VGG16_WIDTHS,
        hidden_units: int | None = None,
        gamma: float = 0.5,
    ) -> None:
        super().__init__()
        self.input_shape = shape_of_images(num_classes, channels, image_size)
        at_least("hidden_units", 1 if hidden_units is None else hidden_units, 1)
        above_zero("gamma", gamma)
        channels_of_stages("widths", widths)
        self.depths = [len(stage) for stage in widths]
        self.poolings = _poolings(image_size, len(widths))
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        inputs = channels
        for stage, maps in enumerate(widths, start=1):
            for position, outputs in enumerate(maps, start=1):
                self.add_module(f"conv{stage}_{position}", nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
                self.add_module(f"norm{stage}_{position}", nn.BatchNorm2d(outputs))
                inputs = outputs
        self.hidden: nn.Module | None = None
        if hidden_units is not None:
            self.hidden = nn.Linear(inputs, hidden_units, bias=False)
            self.hidden_norm = nn.BatchNorm1d(hidden_units)
            inputs = hidden_units
        self.fc = nn.Linear(inputs, num_classes)
        he_fan_out_(self, gamma, LINEAR_STD)

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for stage, (depth, pooled) in enumerate(zip(self.depths, self.poolings, strict=True), start=1):
            if pooled:
                x = self.pool(x)
            for position in range(1, depth + 1):
                x = self.get_submodule(f"conv{stage}_{position}")(x)
                x = self.relu(self.get_submodule(f"norm{stage}_{position}")(x))
        x = x.mean((2, 3))
        if self.hidden is not None:
            x = self.relu(self.hidden_norm(self.hidden(x)))
        logits: Tensor = self.fc(x)
        return logits


def _poolings(side: int, stages: int) -> list[bool]:
    """Whether a pooling stands before each stage: never before the first, nor where it would leave one pixel."""
    found = [False]
    for _ in range(stages - 1):
        found.append(side >= LEAST_POOLED)
        side = side // 2 if found[-1] else side
    return found
