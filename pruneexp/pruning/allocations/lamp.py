"""LAMP: one threshold for all layers, on what each weight adds to its layer (Lee et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pruneexp.pruning.allotment import Allotment, share_of
from pruneexp.pruning.allowance import Allowance
from pruneexp.pruning.masks import MaskSet


@dataclass(frozen=True)
class Lamp:
    """The LAMP score of a weight is its square over the sum of the squares of its layer that are no smaller.

    Each layer keeps as many units as it has among the highest LAMP scores of all survivors: at least one, for its
    largest weight has the score 1. A criterion other than magnitude changes which weights a layer keeps, not how many.
    Of units, the mean magnitudes stand for the weights.

    Raises:
        UserError: the budget is a quality parameter.
    """

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, allowance: Allowance
    ) -> Allotment:
        share_of(allowance)
        return Allotment(allowance.fitting({n: lamp_scores(w, survivors[n]) for n, w in weights.items()}, survivors))


def lamp_scores(weight: Tensor, alive: Tensor) -> Tensor:
    """The LAMP score of each weight of a layer among those ``alive``, float64 in its shape; 0 for the others.

    Of equal weights the one of the higher index counts as the smaller, and is pruned first.
    """
    squares = weight.detach().double().square().masked_fill(~alive, 0).reshape(-1)
    descending, order = squares.sort(descending=True, stable=True)
    sums = descending.cumsum(0)
    ratios = torch.where(sums > 0, descending / sums, torch.zeros_like(sums))
    return torch.zeros_like(squares).scatter_(0, order, ratios).reshape(weight.shape)
