"""Networks that drop in unusual ways, and a policy of one's own, for jobs of tests: ``_target_`` names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from pruneexp.training import seeding


def noise(*shape: int) -> Tensor:
    """Two images, bright on average."""
    return torch.randn(2, *shape, generator=seeding.generator(0, "dropout uses"))


class Shared(nn.Module):
    """One dropout after fc1 and after fc2, registered before both; ``rates`` holds that of each call in training.

    ``again``: what lies between is computed again in the backward pass. ``times``: how often the dropout after fc2 is
    called, for images that are dark on average.
    """

    rates: ClassVar[list[float]] = []

    def __init__(
        self, num_classes: int = 3, channels: int = 1, image_size: int = 12, again: bool = False, times: int = 1
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 2, 3)
        self.drop = nn.Dropout(0.5)
        self.fc1 = nn.Linear(2 * (image_size - 2) ** 2, 16)
        self.fc2 = nn.Linear(16, 8)
        self.fc3 = nn.Linear(8, num_classes)
        self.again, self.times = again, times

    def forward(self, images: Tensor) -> Tensor:
        hidden = F.relu(self.conv1(images)).flatten(1)
        hidden = checkpoint(self.between, hidden, use_reentrant=False) if self.again else self.between(hidden)
        for _ in range(self.times if self.times != 1 and images.mean() < 0 else 1):
            hidden = self._dropped(hidden)
        return self.fc3(hidden)  # type: ignore[no-any-return]

    def between(self, hidden: Tensor) -> Tensor:
        return F.relu(self.fc2(self._dropped(F.relu(self.fc1(hidden)))))

    def _dropped(self, hidden: Tensor) -> Tensor:
        dropped: Tensor = self.drop(hidden)
        if self.training:
            self.rates.append(self.drop.p)
        return dropped


class Functional(nn.Module):
    """Drops without a dropout layer, in training, by a function of this ``kind``."""

    def __init__(self, kind: str, num_classes: int = 3, channels: int = 1, image_size: int = 12) -> None:
        super().__init__()
        self.kind = kind
        self.norm = nn.BatchNorm2d(channels)
        self.rows = nn.Linear(channels * image_size, 8)
        self.mixed = nn.MultiheadAttention(8, 2, dropout=0.1 if kind == "mha" else 0.0, batch_first=True)
        layers = 1 if kind == "one layer" else 2
        self.recurrent = nn.LSTM(8, 8, layers, dropout=0.2 if kind in ("lstm", "one layer") else 0.0, batch_first=True)
        self.head = nn.Linear(8, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        rows = self.rows(self.norm(images).transpose(1, 2).flatten(2))
        return self.head(self._dropped(rows).mean(1))  # type: ignore[no-any-return]

    def _dropped(self, rows: Tensor) -> Tensor:
        if self.kind == "mha":
            return self.mixed(rows, rows, rows)[0]  # type: ignore[no-any-return]
        if self.kind in ("lstm", "one layer"):
            return self.recurrent(rows)[0]  # type: ignore[no-any-return]
        if self.kind == "sdpa":
            return F.scaled_dot_product_attention(rows, rows, rows, dropout_p=0.3 if self.training else 0.0)
        if self.kind == "torch":
            return torch.dropout(rows, 0.5, self.training)
        rate = 0.0 if self.kind == "rate 0" else 0.5
        functions = {"alpha": F.alpha_dropout, "1d": F.dropout1d, "rate 0": F.dropout, "F": F.dropout}
        return functions[self.kind](rows, p=rate, training=self.training)


@dataclass(frozen=True)
class Thrifty:
    """No dropout above a rate of 0.6: at 0.5 it is the fixed policy."""

    def __call__(self, original: float, kept: float, connections: float) -> float:
        return original if original <= 0.6 else 0.0
