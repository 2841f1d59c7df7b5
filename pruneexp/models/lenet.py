"""LeNet-300-100 and LeNet-5 as Han et al. 2015 prune them on MNIST; knows nothing of training or pruning."""

from __future__ import annotations

from torch import Tensor, nn

from pruneexp.models.initialization import lecun_
from pruneexp.models.ranges import drop_rate, shape_of_images

LEAST_SIZE = 16  # the input of LeNet-5's second pooling is 2 x 2


class LeNet300100(nn.Module):
    """Two hidden layers of 300 and 100 ReLUs: 266,200 weights at 28 pixels (Han et al. 2015, Table 2).

    Takes images of shape (B, channels, image_size, image_size), gives logits of shape (B, num_classes). ``dropout`` is
    the drop rate of both hidden layers in training, which the paper's network does without.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(self, num_classes: int = 10, channels: int = 1, image_size: int = 28, dropout: float = 0.0) -> None:
        super().__init__()
        self.input_shape = shape_of_images(num_classes, channels, image_size)
        drop_rate("dropout", dropout)
        self.relu = nn.ReLU(inplace=True)
        self.drop1, self.drop2 = (nn.Dropout(dropout) if dropout else nn.Identity() for _ in range(2))
        self.fc1 = nn.Linear(channels * image_size**2, 300)
        self.fc2 = nn.Linear(300, 100)
        self.fc3 = nn.Linear(100, num_classes)
        lecun_(self)

    def forward(self, images: Tensor) -> Tensor:
        x = self.drop1(self.relu(self.fc1(images.flatten(1))))
        x = self.drop2(self.relu(self.fc2(x)))
        logits: Tensor = self.fc3(x)
        return logits


class LeNet5(nn.Module):
    """Caffe's LeNet-5, 20 and 50 maps and 500 hidden units: 430,500 weights at 28 pixels (Han et al. 2015, Table 3).

    Every hidden layer has a ReLU. Caffe's own prototxt has none after the convolutions, but then every pooled output
    is non-zero, while Table 3 prints activation densities of 82, 72 and 55 %. Trained on 4,000 digits, pruned to the
    table's densities and retrained, this network has 80, 65 and 55 %, Caffe's 100, 100 and 55 %. The ReLU follows the
    pooling: the order changes no value, and a quarter of the values pass the ReLU.

    Takes images of shape (B, channels, image_size, image_size), gives logits of shape (B, num_classes).

    Raises:
        ValueError: an argument is out of its range; ``image_size`` below 16 leaves nothing after the second pooling.
    """

    def __init__(self, num_classes: int = 10, channels: int = 1, image_size: int = 28) -> None:
        super().__init__()
        self.input_shape = shape_of_images(num_classes, channels, image_size, LEAST_SIZE)
        side = ((image_size - 4) // 2 - 4) // 2
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.conv1 = nn.Conv2d(channels, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(50 * side**2, 500)
        self.fc2 = nn.Linear(500, num_classes)
        lecun_(self)

    def forward(self, images: Tensor) -> Tensor:
        x = self.relu(self.pool(self.conv1(images)))
        x = self.relu(self.pool(self.conv2(x)))
        x = self.relu(self.fc1(x.flatten(1)))
        logits: Tensor = self.fc2(x)
        return logits
