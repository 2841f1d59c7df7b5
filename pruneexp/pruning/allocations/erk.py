"""Erdős-Rényi kernel: the smaller a layer, the denser it stays (Mocanu et al. 2018; for kernels, Evci et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from pruneexp.pruning.allotment import Allotment, Targets, check_single, share_of
from pruneexp.pruning.allowance import Allowance
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import count_for
from pruneexp.schema import Budget


@dataclass(frozen=True)
class Erk:
    """The density of a layer is ``factor * (n_in + n_out + k_h + k_w) / (n_in * n_out * k_h * k_w)``, at most 1.

    The ratio is the sum of the sizes of a weight's dimensions over their product; the factor is the one that spends the
    budget. Each layer rounds to whole weights by itself.

    Raises:
        UserError: the budget is a quality parameter, or the units are no single weights.
    """

    targets: ClassVar[Targets] = "predefined"
    grouped: ClassVar[bool] = False

    def check(self, weights: Mapping[str, Tensor], budgets: Sequence[Budget], unit: str) -> None:
        check_single(unit, "densities by the Erdős-Rényi kernel follow from the shapes of weights")

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, allowance: Allowance
    ) -> Allotment:
        share_of(allowance)
        self.check(weights, [allowance.budget], allowance.unit)
        ratios = {name: sum(weight.shape) / weight.numel() for name, weight in weights.items()}
        whole = {name: allowance.cost(name, mask) for name, mask in MaskSet.dense(weights).items()}
        factor = _factor(ratios, whole, allowance.limit)
        keep = {name: count_for(min(1.0, factor * ratios[name]), weight.numel()) for name, weight in weights.items()}
        return Allotment({name: min(count, survivors.kept_per_layer[name]) for name, count in keep.items()})


def _factor(ratios: Mapping[str, float], costs: Mapping[str, float], limit: float) -> float:
    """The factor with which ``sum(min(1, factor * ratio) * cost)`` over all layers is the limit.

    Layers become dense in the order of their ratios, so one after the other is tried as the first that is not.
    """
    order = sorted(ratios, key=lambda name: -ratios[name])
    dense = 0.0
    for place, name in enumerate(order):
        factor = (limit - dense) / sum(ratios[other] * costs[other] for other in order[place:])
        if factor * ratios[name] <= 1:
            return factor
        dense += costs[name]
    return 1 / ratios[order[-1]]
