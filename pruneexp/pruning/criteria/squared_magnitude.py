"""Squared magnitude: of units, the mean of squares orders them as their L2 norm does; of weights, as magnitude does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pruneexp.pruning.ranking import precise


@dataclass(frozen=True)
class SquaredMagnitude:
    """Score w^2; draws nothing."""

    def __call__(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        return {name: precise(weight.detach()).square() for name, weight in weights.items()}
