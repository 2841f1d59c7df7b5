"""The AlexNet of Han et al. 2015: Caffe's ``bvlc_alexnet``, full size; knows nothing of training or pruning."""

from __future__ import annotations

from torch import Tensor, nn

from pruneexp.models.initialization import lecun_
from pruneexp.models.normalization import LocalResponseNorm
from pruneexp.models.ranges import drop_rate, shape_of_images

LEAST_SIZE = 67  # the input of the last pooling is 3 x 3


class AlexNet(nn.Module):
    """Krizhevsky et al. 2012 in Caffe's version: two groups in conv2, conv4 and conv5, ReLU -> LRN -> pooling, dropout.

    At 227 pixels and 1000 classes the eight layers have the sizes of Han et al. 2015, Table 4 (60.95 M weights). A
    smaller image leaves the five convolutions as they are and shrinks fc1 alone: its inputs are 256 x 6 x 6 at 227
    pixels, 256 x 2 x 2 at 99 and 256 at 67. The single-tower variants (CaffeNet pools before it normalises,
    torchvision has neither groups nor LRN) are other networks.

    Takes images of shape (B, channels, image_size, image_size), gives logits of shape (B, num_classes).

    Raises:
        ValueError: an argument is out of its range; ``image_size`` below 67 leaves nothing after the last pooling.
    """

    def __init__(self, num_classes: int = 1000, channels: int = 3, image_size: int = 227, dropout: float = 0.5) -> None:
        super().__init__()
        self.input_shape = shape_of_images(num_classes, channels, image_size, LEAST_SIZE)
        drop_rate("dropout", dropout)
        self.relu = nn.ReLU(inplace=True)
        self.norm = LocalResponseNorm()
        self.pool = nn.MaxPool2d(3, stride=2)
        self.conv1 = nn.Conv2d(channels, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.fc1 = nn.Linear(256 * _side_after_pooling(image_size) ** 2, 4096)
        self.dropout1 = nn.Dropout(dropout)
        self.fc2 = nn.Linear(4096, 4096)
        self.dropout2 = nn.Dropout(dropout)
        self.fc3 = nn.Linear(4096, num_classes)
        lecun_(self)

    def forward(self, images: Tensor) -> Tensor:
        x = self.pool(self.norm(self.relu(self.conv1(images))))
        x = self.pool(self.norm(self.relu(self.conv2(x))))
        x = self.relu(self.conv3(x))
        x = self.relu(self.conv4(x))
        x = self.pool(self.relu(self.conv5(x)))
        x = self.dropout1(self.relu(self.fc1(x.flatten(1))))
        x = self.dropout2(self.relu(self.fc2(x)))
        logits: Tensor = self.fc3(x)
        return logits


def _side_after_pooling(image_size: int) -> int:
    side = (image_size - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return side
