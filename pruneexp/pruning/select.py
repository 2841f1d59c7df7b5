"""Selection: from weights and a budget to masks. A criterion scores, an allocation counts, and the rest is exact.

Knows nothing of networks: weights and masks are mappings by layer name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pruneexp.errors import UserError
from pruneexp.pruning.allotment import Allotment
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import best
from pruneexp.schema import Budget


class Criterion(Protocol):
    """Scores every weight, with the names and shapes of ``weights``; selection keeps the highest scores."""

    def __call__(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]: ...


class Allocation(Protocol):
    """Says how many of its survivors each layer keeps, relative to its original size.

    Raises:
        UserError: the allocation does not take this kind of budget, or does not find a layer.
    """

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, budget: Budget
    ) -> Allotment: ...


@dataclass(frozen=True)
class Selection:
    """Masks, the layers that keep ``min_keep`` weights instead of fewer, and each layer's q_l if allocated by q."""

    masks: MaskSet
    collapsed: tuple[str, ...]
    qualities: dict[str, float]


@torch.no_grad()
def select(
    weights: Mapping[str, Tensor],
    budget: Budget,
    criterion: Criterion,
    allocation: Allocation,
    *,
    survivors: MaskSet | None = None,
    min_keep: int = 1,
    generator: torch.Generator,
) -> Selection:
    """Choose the weights to keep.

    The density of a budget is relative to all ``weights``, also where ``survivors`` excludes some of them already. A
    layer that would keep fewer than ``min_keep`` weights keeps its best ``min_keep`` survivors on top of the budget and
    is listed as collapsed; a layer with fewer survivors keeps them all.

    Raises:
        UserError: a budget is out of range or of the wrong kind, a layer is unknown, or weights are not numbers.
        ValueError: ``min_keep`` is below 0, or scores or survivors do not fit the weights.
    """
    check_budget(budget)
    if min_keep < 0:
        raise ValueError(f"min_keep is {min_keep}, must be at least 0")
    alive = MaskSet.dense(weights) if survivors is None else _fitting(survivors, weights)
    scores = _checked(criterion(weights, generator), weights)
    allotment = allocation(weights, scores, alive, budget)
    masks: dict[str, Tensor] = {}
    collapsed: list[str] = []
    for name, score in scores.items():
        least = min(min_keep, alive.kept_per_layer[name])
        if allotment.keep[name] < least:
            collapsed.append(name)
        masks[name] = best(score, alive[name], max(allotment.keep[name], least))
    return Selection(MaskSet(masks), tuple(collapsed), dict(allotment.qualities))


def check_budget(budget: Budget) -> None:
    """Raise a ``UserError`` for a budget that is out of range."""
    if budget.kind == "density" and not 0 < budget.value <= 1:
        raise UserError(f"Density {budget.value:g} is out of range; a density is kept / total weights, in (0, 1].")
    if budget.kind == "quality" and not (budget.value >= 0 and math.isfinite(budget.value)):
        raise UserError(f"Quality {budget.value:g} is out of range; a quality is a finite number of at least 0.")


def _fitting(survivors: MaskSet, weights: Mapping[str, Tensor]) -> MaskSet:
    for name, weight in weights.items():
        if name not in survivors or survivors[name].shape != weight.shape:
            raise ValueError(f"survivors have no mask in the shape of layer {name!r}: {tuple(weight.shape)}")
    return survivors.restrict(weights)


def check_fit(scores: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    """Raise a ``ValueError`` unless there is one score per weight, layer by layer."""
    if {name: score.shape for name, score in scores.items()} != {name: w.shape for name, w in weights.items()}:
        raise ValueError("a criterion must return one score per weight, under the same layer names")


def _checked(scores: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The scores in the order of the weights, after checks that they fit and are numbers."""
    check_fit(scores, weights)
    if undefined := [name for name in weights if bool(scores[name].isnan().any())]:
        raise UserError(f"The weights of {', '.join(undefined)} are not numbers (NaN): did the training diverge?")
    return {name: scores[name] for name in weights}
