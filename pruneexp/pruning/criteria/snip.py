"""SNIP: connection sensitivity, what the loss's gradient says of each weight (Lee et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pruneexp.pruning.informed import Statistic, Statistics, check_count
from pruneexp.pruning.ranking import precise
from pruneexp.pruning.select import Criterion


@dataclass(frozen=True)
class Snip:
    """Score |g w|, g being the gradient of the mean loss over all calibration batches.

    The paper divides the scores by their sum, which changes no order, and scores a network at its initialisation:
    ``train.epochs=0``.

    Raises:
        ValueError: ``batches`` is no whole number of at least 1.
    """

    batches: int = 4

    statistics: ClassVar[tuple[Statistic, ...]] = ("gradients",)

    def __post_init__(self) -> None:
        check_count(self.batches, "batches")

    def informed(self, statistics: Statistics) -> Criterion:
        gradients = statistics["gradients"]

        def scored(weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
            return {name: (precise(weight.detach()) * gradients[name]).abs() for name, weight in weights.items()}

        return scored
