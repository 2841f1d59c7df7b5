"""LeNet-300-100 whose initial weights are off by one part in ten million, as another processor's might be."""

from __future__ import annotations

import torch

from pruneexp.models.lenet import LeNet300100

#: Of each initial weight; half of the distance between neighbouring float32 numbers is 6e-8 of them.
RELATIVE = 1e-7


class MovedLeNet300100(LeNet300100):
    """Each weight times ``1 + 1e-7 z`` with z standard normal, drawn from ``draw`` and from no other generator."""

    def __init__(self, num_classes: int = 10, channels: int = 1, image_size: int = 28, draw: int = 0) -> None:
        super().__init__(num_classes, channels, image_size)
        generator = torch.Generator().manual_seed(draw)
        with torch.no_grad():
            for weight in self.parameters():
                factor = 1.0 + RELATIVE * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
                weight.copy_(weight.double() * factor)
