"""What training has set to zero goes, and of the rest the lowest scores where the budget asks for more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from pruneexp.pruning.allotment import Allotment, share_of
from pruneexp.pruning.allowance import Allowance
from pruneexp.pruning.masks import MaskSet


@dataclass(frozen=True)
class Nonzero:
    """Each layer keeps its share of the highest scores of all, and none that is 0: the budget is what stays at most.

    A budget of 1 leaves the choice to training (Huang and Wang 2018).

    Raises:
        UserError: the budget is a quality parameter.
    """

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, allowance: Allowance
    ) -> Allotment:
        share_of(allowance)
        return Allotment(
            allowance.fitting(scores, MaskSet({name: survivors[name] & (scores[name] > 0) for name in scores}))
        )
