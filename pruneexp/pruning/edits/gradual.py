"""Gradual pruning: masks that tighten by the cubic schedule while the network trains (Zhu and Gupta 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pruneexp.errors import UserError
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import best


@dataclass(frozen=True)
class GradualMasks:
    """``kept`` is how many weights each layer keeps in the end, ``cuts`` how many of the cuts are done."""

    masks: MaskSet
    kept: Mapping[str, int]
    of: Gradual
    cuts: int = 0

    def of_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return self.masks.of_weights(weights)

    def of_gradients(self, gradients: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return self.masks.of_gradients(gradients)

    def at(self, weights: Mapping[str, Tensor], share: float) -> GradualMasks:
        """After cut k of K, a layer keeps its largest weights: a share of ``d_f + (1 - d_f) (1 - k / K)^3``.

        That is equation 1 of the paper, ``s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3``, in densities d = 1 - s,
        with s_i = 0 and t_0 = 0: sparsity rises fast at first, and the n = K cuts lie dt = ``until / K`` of the
        training apart.
        """
        cuts = min(self.of.cuts, int(self.of.cuts * share / self.of.until))
        if cuts <= self.cuts:
            return self
        left = (1 - cuts / self.of.cuts) ** 3
        masks = {name: self._tightened(name, weight, left) for name, weight in weights.items()}
        return replace(self, masks=MaskSet(masks), cuts=cuts)

    def _tightened(self, name: str, weight: Tensor, left: float) -> Tensor:
        mask, kept = self.masks[name], self.kept[name]
        return best(weight.detach().abs(), mask, kept + round((mask.numel() - kept) * left))

    def state(self) -> Mapping[str, Tensor]:
        return {"cuts": torch.tensor(self.cuts)}

    def restored(self, masks: MaskSet, state: Mapping[str, Tensor]) -> GradualMasks:
        return replace(self, masks=masks, cuts=int(state["cuts"]))

    def value_bits(self) -> int:
        return self.masks.value_bits()


@dataclass(frozen=True)
class Gradual:
    """Retraining starts from all weights, and ``cuts`` cuts in its first share ``until`` lead to the budget.

    The budget says how many weights each layer keeps; which ones they are is decided by magnitude while it trains.

    Raises:
        UserError: an argument is out of range.
    """

    until: float = 0.5
    cuts: int = 20

    def __post_init__(self) -> None:
        if not 0 < self.until <= 1:
            raise UserError(f"criterion.edit.until={self.until}: allowed is a share of the training in (0, 1]")
        if not isinstance(self.cuts, int) or self.cuts < 1:
            raise UserError(f"criterion.edit.cuts={self.cuts}: allowed is a whole number of at least 1")

    def edit(self, weights: Mapping[str, Tensor], masks: MaskSet) -> GradualMasks:
        return GradualMasks(MaskSet.dense(masks), masks.kept_per_layer, self)
