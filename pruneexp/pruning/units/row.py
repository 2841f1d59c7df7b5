"""Rows: all weights that lead to one output, a filter or a neuron, which can then go for good."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Row:
    """The first dimension of a weight counts its outputs (Li et al. 2017 prune filters by their mean magnitude)."""

    def members(self, name: str, weight: Tensor) -> Tensor:
        """The output of each weight."""
        outputs = torch.arange(weight.shape[0]).view(-1, *[1] * (weight.ndim - 1))
        return outputs.expand(weight.shape).contiguous()
