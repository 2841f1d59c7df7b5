"""Soft filter pruning: filters that are zeroed again and again while the network trains (He et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pruneexp.errors import UserError
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import best

#: Shares of a training are quotients of steps, which can fall short of k / cuts by a rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class SoftMasks:
    """``kept`` is how many filters each layer keeps in the end, ``cuts`` how many of the cuts are done.

    Between cuts all weights are free; ``zeroed`` has the masks of a cut until the weights are as it says.
    """

    masks: MaskSet
    kept: Mapping[str, int]
    of: SoftFilter
    cuts: int = 0
    zeroed: MaskSet | None = None

    def of_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return weights if self._free else (self.zeroed or self.masks).of_weights(weights)

    def of_gradients(self, gradients: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return gradients if self._free else self.masks.of_gradients(gradients)

    @property
    def _free(self) -> bool:
        return self.zeroed is None and self.cuts < self.of.all_cuts

    def at(self, weights: Mapping[str, Tensor], share: float) -> SoftMasks:
        """After part k of K equal parts of a training, the filters of the smallest L2 norms are zeroed, and learn on.

        What one cut zeroed is free once it is zero. The last cut is hard.
        """
        if self.zeroed is not None:
            return replace(self, zeroed=None)
        cuts = int(self.of.all_cuts * share + _ROUNDING)
        if cuts <= self.cuts:
            return self
        chosen = MaskSet({name: self._largest(name, weight) for name, weight in weights.items()})
        if cuts == self.of.all_cuts:
            return replace(self, masks=chosen, cuts=cuts)
        return replace(self, zeroed=chosen, cuts=cuts)

    def _largest(self, name: str, weight: Tensor) -> Tensor:
        norms = weight.detach().flatten(1).double().square().sum(1)
        filters = best(norms, torch.ones_like(norms, dtype=torch.bool), self.kept[name])
        return filters.view(-1, *[1] * (weight.ndim - 1)).expand(weight.shape).contiguous()

    def state(self) -> Mapping[str, Tensor]:
        return {"cuts": torch.tensor(self.cuts)}

    def restored(self, masks: MaskSet, state: Mapping[str, Tensor]) -> SoftMasks:
        return replace(self, masks=masks, cuts=int(state["cuts"]), zeroed=None)

    def value_bits(self) -> int:
        return self.masks.value_bits()


@dataclass(frozen=True)
class SoftFilter:
    """Retraining starts from all filters, and zeroes some of them ``cuts`` times, the last time for good.

    The budget says how many filters each layer keeps; which ones they are is decided by their L2 norms at each cut.
    Without cuts there is that at the end.

    Raises:
        UserError: an argument is out of range.
    """

    cuts: int = 20

    def __post_init__(self) -> None:
        if not isinstance(self.cuts, int) or self.cuts < 0:
            raise UserError(f"criterion.edit.cuts={self.cuts}: allowed is a whole number from 0 on")

    @property
    def all_cuts(self) -> int:
        """Together with the last one."""
        return max(1, self.cuts)

    def edit(self, weights: Mapping[str, Tensor], masks: MaskSet) -> SoftMasks:
        """As ``Editor`` says.

        Raises:
            UserError: masks keep parts of filters.
        """
        rows = {name: mask.flatten(1).any(1) for name, mask in masks.items()}
        if any(bool((mask.flatten(1) != rows[name][:, None]).any()) for name, mask in masks.items()):
            raise UserError(
                "criterion.edit zeroes filters, and the masks keep parts of some: "
                "criterion.unit must be pruneexp.pruning.units.row.Row"
            )
        return SoftMasks(MaskSet.dense(masks), {name: int(each.sum()) for name, each in rows.items()}, self)
