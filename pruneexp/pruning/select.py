"""Selection: from weights and a budget to masks. A criterion scores, an allocation counts, and the rest is exact.

Knows nothing of networks: weights and masks are mappings by layer name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from pruneexp.errors import Infeasible, UserError
from pruneexp.pruning.allotment import Allotment, InputGroups, KernelPlaces
from pruneexp.pruning.allowance import Allowance, Prices, allowance
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import best, best_of_each, best_of_places, count_for
from pruneexp.pruning.units.unit import Grouping, Unit, Units
from pruneexp.schema import Budget


class Criterion(Protocol):
    """Scores every weight, with the names and shapes of ``weights``; selection keeps the highest scores."""

    def __call__(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]: ...


class Allocation(Protocol):
    """Says how many of its surviving units each layer keeps, relative to its original size.

    Where a unit is a single weight, ``weights`` are the weights; else the mean magnitude of each unit, flat, as
    ``scores`` and ``survivors`` then are.

    Raises:
        UserError: the allocation does not take this kind of budget, or does not find a layer.
    """

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, allowance: Allowance
    ) -> Allotment: ...


@dataclass(frozen=True)
class Selection:
    """Masks, the layers that keep ``min_keep`` weights instead of fewer, and each layer's q_l if allocated by q."""

    masks: MaskSet
    collapsed: tuple[str, ...]
    qualities: dict[str, float]


_ROUNDING = 1e-9  # of a limit, which floats may miss


@torch.no_grad()
def select(
    weights: Mapping[str, Tensor],
    budget: Budget,
    criterion: Criterion,
    allocation: Allocation,
    *,
    unit: Unit | Units | None = None,
    survivors: MaskSet | None = None,
    min_keep: int = 1,
    prices: Prices | None = None,
    proportions: Criterion | None = None,
    generator: torch.Generator,
) -> Selection:
    """Choose the weights to keep, each by itself or in groups by ``unit``, or in units that were found before.

    ``criterion`` chooses within layers. How many each layer keeps follows from its scores, too, or from those of
    ``proportions`` where it is given. A budget is relative to all ``weights``, also where ``survivors`` excludes some
    of them already; ``prices`` are those in its measure, and not needed for shares of weights or units. A layer that
    would keep fewer than ``min_keep`` weights (or units) keeps its best ``min_keep`` survivors on top of the budget and
    is listed as collapsed; a layer with fewer survivors keeps them all.

    Raises:
        UserError: a budget is out of range or of the wrong kind, a layer is unknown or has no such units, or weights
            are not numbers.
        Infeasible: the budget cannot be met.
        ValueError: ``min_keep`` is below 0, or scores or survivors do not fit the weights.
    """
    check_budget(budget)
    if min_keep < 0:
        raise ValueError(f"min_keep is {min_keep}, must be at least 0")
    alive = MaskSet.dense(weights) if survivors is None else _fitting(survivors, weights)
    scores = _checked(criterion(weights, generator), weights)
    sharing = scores if proportions is None else _checked(proportions(weights, generator), weights)
    if unit is None:
        allowed = allowance(budget, alive, dict.fromkeys(weights, 1.0), prices, "weight")
        return _chosen(scores, alive, allocation(weights, sharing, alive, allowed), min_keep)
    units = Grouping(unit, weights) if isinstance(unit, Unit) else unit
    magnitudes = units.means({name: w.abs() for name, w in weights.items()})
    scores, sharing, living = units.means(scores), units.means(sharing), units.living(alive)

    def kept(asked: Budget) -> Selection:
        allowed = allowance(asked, living, units.sizes, prices, units.name)
        return _chosen(scores, living, allocation(magnitudes, sharing, living, allowed), min_keep)

    chosen = _within(kept, units, budget, prices, alive)
    return replace(chosen, masks=units.masks(chosen.masks, alive))


def _within(
    kept: Callable[[Budget], Selection], units: Units, budget: Budget, prices: Prices | None, alive: MaskSet
) -> Selection:
    """The units that are kept by a budget; where their costs are no sum, the largest share of units that fits it."""
    if units.additive or budget.kind in ("units", "quality"):
        return kept(budget)
    cost, count = _cost(budget, prices, alive.total), units.living(alive).total
    return _most(kept, count, budget, lambda found: cost(units.counts(found, alive)))


def least_share(units: Units, budget: Budget, alive: MaskSet, prices: Prices | None, min_keep: int) -> float:
    """What the fewest units that may stay take, in the measure of a budget; about so, where their sizes differ."""
    fewest = {name: torch.arange(len(sizes)) < min_keep for name, sizes in units.sizes.items()}
    return _cost(budget, prices, alive.total)(units.counts(fewest, alive)) * budget.value


def _cost(budget: Budget, prices: Prices | None, weights: int) -> Callable[[Mapping[str, int]], float]:
    """What kept weights, by layer, cost as a share of what the budget allows.

    Raises:
        UserError: the budget needs prices, and there are none.
    """
    if budget.kind == "density":
        limit = count_for(budget.value, weights)
        return lambda kept: sum(kept.values()) / max(1, limit)
    if prices is None:
        raise UserError(f"{budget.kind} {budget.value:g} asked for, but single layers are pruned to densities here.")
    each, beside, whole = prices
    return lambda kept: (beside + sum(each[name] * count for name, count in kept.items())) / (budget.value * whole)


def _most(
    kept: Callable[[Budget], Selection], units: int, budget: Budget, cost: Callable[[MaskSet], float]
) -> Selection:
    """The largest share of units that fits a budget, where what units cost together is no sum.

    Raises:
        Infeasible: not even the fewest units fit.
    """
    found, few, many = kept(Budget("units", 0.0)), 0, units + 1
    if (least := cost(found.masks)) > 1 + _ROUNDING:
        raise Infeasible(
            f"{budget.kind} {budget.value:g} cannot be reached: what stays, with the fewest units that every layer "
            f"keeps, takes {least * budget.value:.4g} of the network's."
        )
    while many - few > 1:
        middle = (few + many) // 2
        tried = kept(Budget("units", middle / units))
        if cost(tried.masks) <= 1 + _ROUNDING:
            found, few = tried, middle
        else:
            many = middle
    return found


def _chosen(scores: Mapping[str, Tensor], alive: MaskSet, allotment: Allotment, min_keep: int) -> Selection:
    """The highest scores of each layer, as many as it keeps, or of each of its groups."""
    masks: dict[str, Tensor] = {}
    collapsed: list[str] = []
    for name, score in scores.items():
        if name in allotment.groups:
            masks[name] = _best_of_groups(score, alive[name], allotment.groups[name])
            continue
        least = min(min_keep, alive.kept_per_layer[name])
        if allotment.keep[name] < least:
            collapsed.append(name)
        masks[name] = best(score, alive[name], max(allotment.keep[name], least))
    return Selection(MaskSet(masks), tuple(collapsed), dict(allotment.qualities))


def _best_of_groups(score: Tensor, alive: Tensor, groups: InputGroups | KernelPlaces) -> Tensor:
    if isinstance(groups, KernelPlaces):
        return best_of_places(score, alive, groups.keep)
    return best_of_each(score, alive, groups.size, groups.keep)


def check_budget(budget: Budget) -> None:
    """Raise a ``UserError`` for a budget that is out of range."""
    if budget.mistake:
        raise UserError(budget.mistake)


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
