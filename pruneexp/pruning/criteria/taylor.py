"""First-order Taylor: what the loss would change by without a weight, squared (Molchanov et al. 2019)."""

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
class Taylor:
    """Score the mean over calibration batches of (g w)^2, g being the gradient of a batch's mean loss.

    A unit has the mean of its weights' scores, which orders units of one size as their sum does. Of single
    weights and one batch the order is that of |g w|.

    Raises:
        ValueError: ``batches`` is no whole number of at least 1.
    """

    batches: int = 4

    statistics: ClassVar[tuple[Statistic, ...]] = ("squared_gradients",)

    def __post_init__(self) -> None:
        check_count(self.batches, "batches")

    def informed(self, statistics: Statistics) -> Criterion:
        squares = statistics["squared_gradients"]

        def scored(weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
            return {name: precise(weight.detach()).square() * squares[name] for name, weight in weights.items()}

        return scored
