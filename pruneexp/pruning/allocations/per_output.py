"""The same density for every output of every layer (Sun et al. 2023, who compare weights of one output alone)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from pruneexp.pruning.allotment import Allotment, InputGroups, Targets, check_single, share_of
from pruneexp.pruning.allowance import Allowance
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import count_for
from pruneexp.schema import Budget


@dataclass(frozen=True)
class PerOutput:
    """Every row of a weight, the first dimension of which counts outputs, keeps its share of its best weights.

    Raises:
        UserError: the budget is a quality parameter, or the units are no single weights.
    """

    targets: ClassVar[Targets] = "predefined"
    grouped: ClassVar[bool] = True

    def check(self, weights: Mapping[str, Tensor], budgets: Sequence[Budget], unit: str) -> None:
        check_single(unit, "every output keeps a share of its weights")

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, allowance: Allowance
    ) -> Allotment:
        share = share_of(allowance)
        self.check(weights, [allowance.budget], allowance.unit)
        groups = {name: _row(weight, share) for name, weight in weights.items()}
        return Allotment({name: groups[name].keep * len(weight) for name, weight in weights.items()}, groups=groups)


def _row(weight: Tensor, share: float) -> InputGroups:
    size = weight[0].numel()
    return InputGroups(size, count_for(share, size))
