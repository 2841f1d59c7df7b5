"""Magnitude: the smallest weights are pruned first (Han et al. 2015, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Magnitude:
    """Score |w|; draws nothing."""

    def __call__(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        return {name: weight.detach().abs() for name, weight in weights.items()}
