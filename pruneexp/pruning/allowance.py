"""What a budget lets pruning keep, in its own measure. Knows neither networks nor how allocations share it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pruneexp.errors import Infeasible, UserError
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import best_counts, count_for, surviving
from pruneexp.pruning.units.unit import UnitSizes
from pruneexp.schema import Budget

_ROUNDING = 1e-9  # of a limit: a share of a cost that floats cannot hold is not to lose a unit


class Prices(NamedTuple):
    """What one kept weight of each layer costs, what the network costs ``beside`` these layers, and as a ``whole``.

    All are in the measure of one kind of budget; the whole is that of the dense network.
    """

    each: Mapping[str, float]
    beside: float
    whole: float


@dataclass(frozen=True)
class Allowance:
    """How much the kept units may cost together; ``costs`` are those of the units of a layer, one number where equal.

    ``share`` is what each layer keeps of its units when all keep the same. ``unit`` names what is kept or pruned as a
    whole.
    """

    budget: Budget
    limit: float
    costs: UnitSizes
    share: float
    unit: str

    def quality(self) -> float:
        """The quality parameter, which the magnitudes of single weights are compared with.

        Raises:
            UserError: the units are no single weights.
        """
        if self.unit != "weight":
            raise UserError(
                f"Quality {self.budget.value:g} is a threshold for single weights, and criterion.unit is a {self.unit}."
            )
        return self.budget.value

    def cost(self, name: str, alive: Tensor) -> float:
        """What the surviving units of a layer cost."""
        cost = self.costs[name]
        return float(cost[alive].sum()) if isinstance(cost, Tensor) else cost * int(alive.count_nonzero())

    def fitting(self, scores: Mapping[str, Tensor], survivors: MaskSet) -> dict[str, int]:
        """How many units of each layer are among the highest scores of all survivors that may be kept together.

        The first unit that does not fit ends the list. Between layers, the one named first wins a tie.
        """
        costs = list(self.costs.values())
        if not isinstance(costs[0], Tensor) and all(cost is costs[0] or cost == costs[0] for cost in costs):
            return best_counts(scores, survivors, int(self.limit / costs[0] + _ROUNDING))
        parts = [surviving(layer, survivors[name]).cpu() for name, layer in scores.items()]
        each = [_each(self.costs[name], survivors[name], len(part)) for name, part in zip(scores, parts, strict=True)]
        order = np.argsort(-torch.cat(parts).numpy(), kind="stable")
        spent = np.cumsum(torch.cat(each).numpy()[order])
        kept = order[: int(np.searchsorted(spent, self.limit * (1 + _ROUNDING), side="right"))]
        layers = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        return dict(zip(scores, np.bincount(layers[kept], minlength=len(parts)).tolist(), strict=True))


def allowance(budget: Budget, survivors: MaskSet, sizes: UnitSizes, prices: Prices | None, unit: str) -> Allowance:
    """What a budget leaves for the units of all layers, whether they survive or not; ``sizes`` are their weights.

    Raises:
        UserError: the budget needs prices, and there are none.
        Infeasible: the network costs more beside these layers than the budget leaves.
    """
    units = {name: mask.numel() for name, mask in survivors.items()}
    if budget.kind == "units":
        return Allowance(
            budget, count_for(budget.value, sum(units.values())), dict.fromkeys(units, 1.0), budget.value, unit
        )
    weights = _total(sizes, units)
    if budget.kind in ("density", "quality"):
        limit = count_for(budget.value, round(weights)) if budget.kind == "density" else weights
        return Allowance(budget, limit, sizes, budget.value, unit)
    if prices is None:
        raise UserError(f"{budget.kind} {budget.value:g} asked for, but single layers are pruned to densities here.")
    costs = {name: size * prices.each[name] for name, size in sizes.items()}
    limit = budget.value * prices.whole - prices.beside
    if limit <= 0:
        raise Infeasible(
            f"{budget.kind} {budget.value:g} cannot be reached: what is not pruned takes "
            f"{prices.beside / prices.whole:.4g} of the network's."
        )
    return Allowance(budget, limit, costs, min(1.0, limit / _total(costs, units)), unit)


def _total(costs: UnitSizes, units: Mapping[str, int]) -> float:
    return sum(float(cost.sum()) if isinstance(cost, Tensor) else cost * units[name] for name, cost in costs.items())


def _each(cost: Tensor | float, alive: Tensor, count: int) -> Tensor:
    """The costs of the surviving units of a layer, one by one."""
    if isinstance(cost, Tensor):
        return surviving(cost, alive).double().cpu()
    return torch.full((count,), cost, dtype=torch.float64)
