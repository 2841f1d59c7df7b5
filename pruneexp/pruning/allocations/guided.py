"""Guided designs: each stage keeps what pruning left of that stage of another network (Liu et al. 2019, section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

from torch import Tensor

from pruneexp.errors import UserError
from pruneexp.pruning.allotment import Allotment, KernelPlaces
from pruneexp.pruning.allowance import Allowance
from pruneexp.pruning.guides import StageShares, budget_key, read_guide, stages_of
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import count_for
from pruneexp.schema import Budget


@dataclass(frozen=True)
class Guided:
    """Convolutions keep what the ``pattern`` has for their stage; the first stage has that of the first, and so on.

    Of channels and rows, every layer keeps the stage's share of its own. Of single weights, every layer keeps at each
    place of its kernels the share that the stage has there. The budget chooses: what is kept is what points of that
    budget were left with (``guides``). ``maps`` has the pixels of the maps that each convolution of the network gives.

    Raises:
        UserError: the pattern is none, lacks a budget, or has other stages or kernels than the network.
    """

    pattern: Mapping[str, Any] | None = None
    maps: Mapping[str, int] = field(default_factory=dict)

    grouped: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if isinstance(self.pattern, Mapping):  # not the name of a file, which a job reads first
            stages_of(self.pattern)

    @cached_property
    def _budgets(self) -> dict[str, list[StageShares]]:
        return stages_of(self.pattern or {"budgets": {}})

    @staticmethod
    def contents(settings: Mapping[str, Any]) -> dict[str, Any]:
        given = settings.get("pattern")
        return {**settings, "pattern": given if isinstance(given, Mapping) else read_guide(given)}

    def fitted(self, maps: Mapping[str, int]) -> Guided:
        return replace(self, maps=maps)

    def check(self, weights: Mapping[str, Tensor], budgets: Sequence[Budget], unit: str) -> None:
        if unit not in ("weight", "channel", "row"):
            raise UserError(f"a pattern has shares of channels and of single weights, and criterion.unit is a {unit}")
        if unfit := [name for name in weights if name not in self.maps]:
            raise UserError(
                f"a pattern is one of convolutions, and {', '.join(unfit)} are none: use 'criterion.layers=[conv]', or "
                f"'criterion.exclude=[{','.join(unfit)}]'"
            )
        for budget in budgets:
            if unit == "channel" and budget.kind != "units":
                raise UserError(f"{budget_key(budget)} asked for, but channels go by a pattern at 'curve.units=[...]'")
            if not (unit == "weight" and budget.prunes_nothing):
                for name, shares in self._shares(weights, budget).items():
                    if unit == "weight":
                        self._places(name, weights[name], shares)

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, allowance: Allowance
    ) -> Allotment:
        single, alive = allowance.unit == "weight", survivors.kept_per_layer
        if allowance.budget.prunes_nothing and (single or budget_key(allowance.budget) not in self._budgets):
            return Allotment(alive)
        shares = self._shares(weights, allowance.budget)
        if not single:
            kept = {name: count_for(shares[name].channels, weight.numel()) for name, weight in weights.items()}
            return Allotment({name: min(count, alive[name]) for name, count in kept.items()})
        places = {name: self._places(name, weight, shares[name]) for name, weight in weights.items()}
        return Allotment({name: sum(each.keep) for name, each in places.items()}, groups=places)

    def _shares(self, layers: Mapping[str, Tensor], budget: Budget) -> dict[str, StageShares]:
        """What the pattern has for each of these layers."""
        if budget_key(budget) not in self._budgets:
            raise UserError(
                f"the pattern has nothing for {budget_key(budget)}: it was made of points at {', '.join(self._budgets)}"
            )
        found, sizes = self._budgets[budget_key(budget)], list(dict.fromkeys(self.maps.values()))
        if len(found) != len(sizes):
            raise UserError(
                f"stages of the pattern: {len(found)}; of the network: {len(sizes)}, whose convolutions give maps of "
                f"{', '.join(map(str, sizes))} px"
            )
        return {name: found[sizes.index(self.maps[name])] for name in layers}

    def _places(self, name: str, weight: Tensor, shares: StageShares) -> KernelPlaces:
        size = "x".join(map(str, weight.shape[2:]))
        if size not in shares.kernels:
            raise UserError(
                f"layer {name} has kernels of {size}, and its stage of the pattern has {', '.join(shares.kernels)}"
            )
        kernels = weight[:, :, 0, 0].numel()
        return KernelPlaces(tuple(count_for(share, kernels) for row in shares.kernels[size] for share in row))
