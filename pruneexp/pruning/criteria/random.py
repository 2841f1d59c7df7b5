"""Random: the control for every other criterion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Random:
    """Score uniform in [0, 1), one draw per weight in the order of the layers, independent of the weights' values."""

    def __call__(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        return {
            name: torch.rand(weight.shape, generator=generator, device=generator.device).to(weight.device)
            for name, weight in weights.items()
        }
