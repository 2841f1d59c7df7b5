"""One threshold for all layers together: the lowest scores of the whole scope are pruned, in any layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from pruneexp.pruning.allotment import Allotment, density_of
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import best_counts, count_for
from pruneexp.schema import Budget


@dataclass(frozen=True)
class GlobalThreshold:
    """Each layer keeps its share of the highest scores of all (Liu et al. 2019, unstructured pruning).

    Raises:
        UserError: the budget is a quality parameter.
    """

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, budget: Budget
    ) -> Allotment:
        count = count_for(density_of(budget), survivors.total)
        return Allotment(best_counts(scores, survivors, count))
