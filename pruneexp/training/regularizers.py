"""Penalties on the weights, each as its gradient; the reported loss is that of the data alone.

A penalty acts on all prunable weights and on nothing else, unless it says so: Han et al. 2015 prune no biases and no
normalisation, and shrinking them only harms. A penalty moves no weight away from exactly zero, so pruned weights stay
pruned. One that does several things is several penalties, its parts. Knows neither network nor optimizer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

#: All prunable weights, all trainable parameters, or the scales of batch normalisation, or of residual blocks.
Reach = Literal["weights", "parameters", "channel_scales", "block_scales"]


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
class L1AndL2:
    """Both at once: adds ``strength * sign(w) + l2_strength * w``, the elastic net (Zou and Hastie 2005).

    Raises:
        ValueError: a strength is out of range.
    """

    strength: float
    l2_strength: float

    @property
    def parts(self) -> tuple[Penalty, ...]:
        return (L1(self.strength), L2(self.l2_strength))

    def __post_init__(self) -> None:
        _check(self.strength)
        _check(self.l2_strength, "l2_strength")


@dataclass(frozen=True)
class NoPenalty:
    """Adds nothing."""

    def add_gradient_(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
        return None


@dataclass(frozen=True)
class ScaleL1(L1):
    """L1 on the scales of batch normalisation alone."""

    reach: ClassVar[Reach] = "channel_scales"


@dataclass(frozen=True)
class ScaleShrinkage(NoPenalty):
    """``strength * sum |scale|`` as a proximal step of the optimizer, by which scales become exactly zero.

    No other penalty acts on scales that this one shrinks. It adds no gradient.
    """

    strength: float
    reach: Reach = "channel_scales"

    def __post_init__(self) -> None:
        _check(self.strength)


@runtime_checkable
class CombinedPenalty(Protocol):
    """Several penalties, each with a reach of its own."""

    @property
    def parts(self) -> Sequence[Penalty]: ...


@dataclass(frozen=True)
class Slimming:
    """L1 on the scales of batch normalisation, weight decay on all parameters, scales included (Liu et al. 2017).

    ``strength`` is lambda of their equation 1, whose subgradient at 0 is 0.
    """

    strength: float
    weight_decay: float

    @property
    def parts(self) -> tuple[Penalty, ...]:
        return (ScaleL1(self.strength), WeightDecay(self.weight_decay))

    def __post_init__(self) -> None:
        _check(self.strength)
        _check(self.weight_decay, "weight_decay")


@dataclass(frozen=True)
class SparseStructure:
    """Shrinks scales to zero (``ScaleShrinkage``), weight decay on all other parameters (Huang and Wang 2018).

    What is shrunk are the scales of batch normalisation, one for each of the ``channels``, and those of ``blocks``.

    Raises:
        ValueError: a strength is out of range, or neither is to be shrunk.
    """

    strength: float
    weight_decay: float
    channels: bool = True
    blocks: bool = True

    @property
    def parts(self) -> tuple[Penalty, ...]:
        asked: tuple[tuple[bool, Reach], ...] = ((self.channels, "channel_scales"), (self.blocks, "block_scales"))
        return (
            *(ScaleShrinkage(self.strength, reach) for shrunk, reach in asked if shrunk),
            WeightDecay(self.weight_decay),
        )

    def __post_init__(self) -> None:
        _check(self.strength)
        _check(self.weight_decay, "weight_decay")
        if not (self.channels or self.blocks):
            raise ValueError("channels and blocks are both false: allowed is one of them, or both true")


def parts_of(penalty: Penalty | CombinedPenalty) -> Sequence[Penalty]:
    """The penalties that one consists of: itself, if nothing else is said."""
    return penalty.parts if isinstance(penalty, CombinedPenalty) else (penalty,)


def reach_of(penalty: Penalty) -> Reach:
    """What a penalty acts on: all prunable weights, unless its attribute ``reach`` says something else."""
    found: Reach = getattr(penalty, "reach", "weights")
    return found


def _check(strength: float, name: str = "strength") -> None:
    if not 0 <= strength < math.inf:
        raise ValueError(f"{name} is {strength!r}; allowed is a finite number >= 0")
