"""Networks as people bring them, small: more of their state and of their forward pass than meets the eye."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tests.contracts.brought import PIXELS, Plain


class Unsaved(Plain):
    """Keeps something beside its state; ``what`` is how it draws, counts or switches it."""

    def __init__(self, num_classes: int, what: str, pretrained: bool = False) -> None:
        super().__init__(num_classes)
        self.what, self.passes, self.pretrained = what, 0, pretrained
        self.order = torch.randperm(PIXELS)
        self.register_buffer("noise", torch.randn(PIXELS), persistent=what == "a buffer that is stored")
        self.late: nn.Linear | None = None

    def forward(self, images: Tensor) -> Any:
        x = images.flatten(1)
        self.passes += self.training
        if self.what == "a permutation":
            x = x[:, self.order]
        if "buffer" in self.what:
            x = x + self.get_buffer("noise")
        if (self.what == "a switch" and self.pretrained) or (self.what == "a count" and self.passes):
            x = 2 * x
        if self.what == "a parameter made in a pass" and self.late is None:
            self.late = nn.Linear(PIXELS, PIXELS)
        return super().forward(x)


class Inward(Plain):
    """Differentiates in its forward pass, calls a layer by keyword, and starts with a parameter of another type."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.index = nn.Parameter(torch.arange(PIXELS), requires_grad=False)  # before those of its layers

    def forward(self, images: Tensor) -> Any:
        x = images.flatten(1)[:, self.index]
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(x.square().sum(), x)
        return self.last(self.first(input=slope.detach()).relu())
