"""Penalties on the weights, as what they add to the gradient; the loss that is reported stays the data's alone.

A penalty acts on prunable weights only (those of convolutions and linear layers): biases and normalisation are not what
Han et al. 2015 prune, and shrinking them only harms. A penalty pulls no weight away from exactly zero, so pruned
weights stay pruned. Knows neither network nor optimizer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Penalty(Protocol):
    """Anything that adds the gradient of a penalty to the gradients of the data."""

    def add_gradient_(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
        """Add the penalty's gradient at ``weights`` to ``gradients``, in place, list entry by list entry.

        Called without autograd, once per step, before pruned weights are masked and before clipping. What is added
        where a weight is exactly 0 must be 0.
        """


@dataclass(frozen=True)
class L1:
    """``strength * sum |w|``: adds ``strength * sign(w)``, with subgradient 0 at 0 (Han et al. 2015, section 3.1)."""

    strength: float

    def __post_init__(self) -> None:
        _check(self.strength)

    def add_gradient_(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
        if weights:
            torch._foreach_add_(gradients, [weight.sign() for weight in weights], alpha=self.strength)


@dataclass(frozen=True)
class L2:
    """``strength / 2 * sum w^2``: adds ``strength * w``, the classic weight decay (Han et al. 2015, section 3.1)."""

    strength: float

    def __post_init__(self) -> None:
        _check(self.strength)

    def add_gradient_(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
        if weights:
            torch._foreach_add_(gradients, weights, alpha=self.strength)


@dataclass(frozen=True)
class NoPenalty:
    """Adds nothing."""

    def add_gradient_(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
        return None


def _check(strength: float) -> None:
    if not 0 <= strength < math.inf:
        raise ValueError(f"strength is {strength!r}; allowed is a finite number >= 0")
