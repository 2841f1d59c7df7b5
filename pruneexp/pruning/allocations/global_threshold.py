"""One threshold for all layers together: the lowest scores of the whole scope are pruned, in any layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from pruneexp.pruning.allotment import Allotment, share_of
from pruneexp.pruning.allowance import Allowance
from pruneexp.pruning.masks import MaskSet


@dataclass(frozen=True)
class GlobalThreshold:
    """Each layer keeps its share of the highest scores of all (Liu et al. 2019, unstructured pruning).

    Raises:
        UserError: the budget is a quality parameter.
    """

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, allowance: Allowance
    ) -> Allotment:
        share_of(allowance)
        return Allotment(allowance.fitting(scores, survivors))
