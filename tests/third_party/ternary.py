"""An edit of a third party: every weight that is kept is plus or minus one number of its layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pruneexp.pruning.masks import MaskSet


@dataclass(frozen=True)
class TernaryWeights:
    """``signs`` are those of the kept weights, 0 where a weight is pruned; their size follows the training."""

    signs: Mapping[str, Tensor]

    @property
    def masks(self) -> MaskSet:
        return MaskSet({name: sign != 0 for name, sign in self.signs.items()})

    def of_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {name: sign * _size(weights[name], sign) for name, sign in self.signs.items()}

    def of_gradients(self, gradients: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """All weights of a layer move together, by the mean of what moves them apart."""
        return {name: self.signs[name] * _size(gradient, self.signs[name]) for name, gradient in gradients.items()}

    def at(self, weights: Mapping[str, Tensor], share: float) -> TernaryWeights:
        return self

    def state(self) -> Mapping[str, Tensor]:
        return dict(self.signs)

    def restored(self, masks: MaskSet, state: Mapping[str, Tensor]) -> TernaryWeights:
        return replace(self, signs=dict(state))

    def value_bits(self) -> int:
        return 1


@dataclass(frozen=True)
class Ternary:
    def edit(self, weights: Mapping[str, Tensor], masks: MaskSet) -> TernaryWeights:
        return TernaryWeights({name: weights[name].sign() * mask for name, mask in masks.items()})


def _size(values: Tensor, sign: Tensor) -> Tensor:
    return (values * sign).sum() / torch.clamp((sign != 0).sum(), min=1)
