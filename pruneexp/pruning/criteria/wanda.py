"""Wanda: magnitude times the norm of the inputs that a weight meets (Sun et al. 2023)."""

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
class Wanda:
    """Score |w| ||x||, x being all values of the weight's input in the calibration batches.

    The paper has linear layers; of a convolution, x are all values of the weight's input channel.

    Raises:
        ValueError: ``batches`` is no whole number of at least 1.
    """

    batches: int = 4

    statistics: ClassVar[tuple[Statistic, ...]] = ("input_norms",)

    def __post_init__(self) -> None:
        check_count(self.batches, "batches")

    def informed(self, statistics: Statistics) -> Criterion:
        norms = statistics["input_norms"]

        def scored(weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
            return {name: precise(weight.detach()).abs() * norms[name] for name, weight in weights.items()}

        return scored
