"""Scales of batch normalisation as scores of channels (Liu et al. 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pruneexp.pruning.informed import Statistic, Statistics
from pruneexp.pruning.select import Criterion


@dataclass(frozen=True)
class ChannelScale:
    """Score |gamma| of the batch normalisation on a channel, times the scale of its residual block where that has one.

    Where several normalise a channel, the mean of theirs. For units that are channels.
    """

    statistics: ClassVar[tuple[Statistic, ...]] = ("channel_scales",)
    batches: ClassVar[int] = 0

    def informed(self, statistics: Statistics) -> Criterion:
        scales = statistics["channel_scales"]

        def scored(weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
            return {name: scales[name].expand(weight.shape).clone() for name, weight in weights.items()}

        return scored
