"""Penalties on the weights, each as its gradient; the reported loss is that of the data alone.

A penalty acts on all prunable weights and on nothing else, unless it says so: Han et al. 2015 prune no biases and no
normalisation, and shrinking them only harms. A penalty moves no weight away from exactly zero, so pruned weights stay
pruned. Knows neither network nor optimizer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor

Reach = Literal["weights", "parameters"]


class Penalty(Protocol):
    """A penalty, which adds its gradient to the gradients of the data."""

    def add_gradient_(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
        """Add the penalty's gradient at ``weights`` to ``gradients``, in place, list entry by list entry.

        The training step calls it once, without autograd, before it masks and clips the gradients. The addition must
        be 0 where a weight is exactly 0.
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
class WeightDecay(L2):
    """L2 on every trainable parameter, biases and normalisations too, as the ``weight_decay`` of torch's optimizers.

    This is what papers with batch normalisation mean by weight decay (He et al. 2016, section 3.4).
    """

    reach: ClassVar[Reach] = "parameters"


@dataclass(frozen=True)
class NoPenalty:
    """Adds nothing."""

    def add_gradient_(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
        return None


def reach_of(penalty: Penalty) -> Reach:
    """What a penalty acts on: all prunable weights, unless its attribute ``reach`` says all trainable parameters."""
    found: Reach = getattr(penalty, "reach", "weights")
    return found


def _check(strength: float) -> None:
    if not 0 <= strength < math.inf:
        raise ValueError(f"strength is {strength!r}; allowed is a finite number >= 0")
