"""The same density in every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from pruneexp.pruning.allotment import Allotment, check_layers, density_of
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import count_for
from pruneexp.schema import Budget


@dataclass(frozen=True)
class PerLayer:
    """Every layer keeps the budget's density; layers in ``exempt`` keep all they have, on top of the budget.

    Raises:
        UserError: the budget is a quality parameter, or ``exempt`` names an unknown layer.
    """

    exempt: Sequence[str] = ()

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, budget: Budget
    ) -> Allotment:
        density = density_of(budget)
        check_layers(self.exempt, weights, "exempt")
        wanted = {
            name: count_for(1.0 if name in self.exempt else density, weight.numel()) for name, weight in weights.items()
        }
        return Allotment({name: min(count, survivors.kept_per_layer[name]) for name, count in wanted.items()})
