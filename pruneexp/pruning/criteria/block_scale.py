"""Scales of residual blocks as scores of all weights in them (Huang and Wang 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pruneexp.pruning.informed import Statistic, Statistics
from pruneexp.pruning.select import Criterion


@dataclass(frozen=True)
class BlockScale:
    """Score the magnitude of the scale of the residual block that a weight lies in; 1 outside of such blocks."""

    statistics: ClassVar[tuple[Statistic, ...]] = ("block_scales",)
    batches: ClassVar[int] = 0

    def informed(self, statistics: Statistics) -> Criterion:
        scales = statistics["block_scales"]

        def scored(weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
            return {name: scales[name].expand(weight.shape).clone() for name, weight in weights.items()}

        return scored
