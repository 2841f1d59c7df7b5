"""The VGG-16 of Han et al. 2015: configuration D without batch normalisation; knows nothing of pruning."""

from __future__ import annotations

from torch import Tensor, nn

from pruneexp.models.initialization import he_
from pruneexp.models.ranges import drop_rate, shape_of_images

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # (maps, convolutions), pooling after each
SHRINKAGE = 32  # five poolings halve the image five times


class VGG16(nn.Module):
    """Thirteen 3 x 3 convolutions in five stages and three linear layers (Simonyan and Zisserman 2015).

    At 224 pixels and 1000 classes the layers ``conv1_1`` to ``fc8`` have the sizes of Han et al. 2015, Table 5
    (138.3 M weights). A smaller image shrinks fc6 alone: its inputs are 512 x 7 x 7 at 224 pixels and 512 at 32.

    Takes images of shape (B, channels, image_size, image_size), gives logits of shape (B, num_classes).

    Raises:
        ValueError: an argument is out of its range; ``image_size`` must be a multiple of 32, at least 32.
    """

    def __init__(self, num_classes: int = 1000, channels: int = 3, image_size: int = 224, dropout: float = 0.5) -> None:
        super().__init__()
        if image_size < SHRINKAGE or image_size % SHRINKAGE:
            raise ValueError(f"image_size is {image_size}, must be a multiple of {SHRINKAGE}, at least {SHRINKAGE}")
        self.input_shape = shape_of_images(num_classes, channels, image_size)
        drop_rate("dropout", dropout)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        inputs = channels
        for stage, (maps, depth) in enumerate(STAGES, start=1):
            for position in range(1, depth + 1):
                self.add_module(f"conv{stage}_{position}", nn.Conv2d(inputs, maps, 3, padding=1))
                inputs = maps
        self.fc6 = nn.Linear(512 * (image_size // SHRINKAGE) ** 2, 4096)
        self.dropout6 = nn.Dropout(dropout)
        self.fc7 = nn.Linear(4096, 4096)
        self.dropout7 = nn.Dropout(dropout)
        self.fc8 = nn.Linear(4096, num_classes)
        he_(self)

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for stage, (_, depth) in enumerate(STAGES, start=1):
            for position in range(1, depth + 1):
                x = self.relu(self.get_submodule(f"conv{stage}_{position}")(x))
            x = self.pool(x)
        x = self.dropout6(self.relu(self.fc6(x.flatten(1))))
        x = self.dropout7(self.relu(self.fc7(x)))
        logits: Tensor = self.fc8(x)
        return logits
