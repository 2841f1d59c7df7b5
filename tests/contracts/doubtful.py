"""Networks with doubtful accuracies, for jobs of tests: ``model._target_`` names them."""

from __future__ import annotations

import torch
from torch import Tensor

from pruneexp.models.lenet import LeNet300100

#: Says to a job that its own modules are these.
OWN = (__name__,)


class Blind(LeNet300100):
    """In evaluation, the first logit of an image that is dark on average is not a number."""

    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        if not self.training:
            logits[dark(images), 0] = torch.nan
        return logits


class Deaf(LeNet300100):
    """Sees every image as black."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(0 * images)


def dark(images: Tensor) -> Tensor:
    """Which of the images (B, C, H, W) are: (B,)."""
    return images.mean((1, 2, 3)) < 0
