"""Stochastic magnitude: weights are pruned with a probability that falls with |w| (Han et al. 2015, section 3).

The paper names the variant, finds it worse than thresholds, and gives no formula. This criterion draws survivors one
after the other without replacement, each with probability proportional to |w| ** (1 / temperature). The highest values
of log |w| / temperature plus independent Gumbel noise are exactly such a draw (the Gumbel-top-k trick, Kool et al.
2019), so the count stays exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class StochasticMagnitude:
    """Score log |w| / temperature + Gumbel noise.

    Temperatures near 0 give plain magnitude, very high ones random scores. Weights of exactly zero are pruned first.

    Raises:
        ValueError: ``temperature`` is not above 0.
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}, must be above 0")

    def __call__(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        return {name: self._score(weight.detach(), generator) for name, weight in weights.items()}

    def _score(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        exponential = torch.empty(weight.shape, device=generator.device).exponential_(generator=generator)
        gumbel = exponential.to(weight.device).log_().neg_()
        dtype = torch.promote_types(weight.dtype, torch.float32)
        return weight.to(dtype).abs().log_().div_(self.temperature).add_(gumbel)
