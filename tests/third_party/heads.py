"""A task of a third party whose networks have an auxiliary head in training, as GoogLeNet has."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pruneexp.tasks.classification import Classification
from pruneexp.tasks.task import Forward


class TwoHeads(Classification):
    def loss(
        self, network: Forward, inputs: Tensor, targets: Tensor, *, smoothing: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        logits, early = network(inputs)
        loss = cross_entropy(logits, targets, label_smoothing=smoothing)
        return loss + 0.3 * cross_entropy(early, targets, label_smoothing=smoothing), logits


class Branched(nn.Module):
    def __init__(self, classes: int, pixels: int) -> None:
        super().__init__()
        self.first, self.early, self.last = nn.Linear(pixels, 16), nn.Linear(16, classes), nn.Linear(16, classes)

    def forward(self, images: Tensor) -> Any:
        features = self.first(images.flatten(1)).relu()
        return (self.last(features), self.early(features)) if self.training else self.last(features)
