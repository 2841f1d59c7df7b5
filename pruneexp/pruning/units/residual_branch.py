"""Residual branches: all weights between a tensor and the addition that it joins unchanged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.branches import Branches, branches
from pruneexp.pruning.couplings import OUT_OF_SCOPE, by_reason
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.removal_trial import needed, replaceable
from pruneexp.tracing.trace import Trace

#: What stands in the place of a layer's name.
_ALL = "residual branches"


@dataclass(frozen=True)
class ResidualBranch:
    """A branch beside an identity shortcut, scored by all of its weights; without them it adds a constant."""

    def grouping(self, trace: Trace, network: nn.Module, scope: Collection[str]) -> BranchGrouping:
        """The branches of a network that can go, those with layers in ``scope`` alone.

        Raises:
            UserError: there is none.
        """
        found = branches(trace, network)
        inside = [branch for branch in found.found if set(branch.layers) <= set(scope)]
        free = replaceable(trace, network, inside)
        kept = needed(trace, network, free)
        held = {
            **({} if kept is None else {kept.layers[0]: "without any such, no output follows from the inputs"}),
            **{branch.layers[0]: OUT_OF_SCOPE for branch in found.found if branch not in inside},
            **{branch.layers[0]: "code within it needs its layers" for branch in inside if branch not in free},
            **found.held,
        }
        free = tuple(branch for branch in free if branch is not kept)
        if not free:
            raise UserError(
                f"criterion.unit: {type(network).__name__} has no residual branches that can go: "
                f"{by_reason(held) or 'nothing is added to what it was made of'}"
            )
        sizes = {name: layer.weight.numel() for name, layer in prunable(network).items()}
        return BranchGrouping(Branches(free, held), sizes)


class BranchGrouping:
    """Branches in place of weights, all of them in one group; ``weights`` has the number of those of each layer."""

    name, additive = "residual branch", False

    def __init__(self, of: Branches, weights: Mapping[str, int]) -> None:
        self.of = of
        self.sizes = {_ALL: torch.tensor([sum(weights[name] for name in each.layers) for each in of.found]).double()}

    @property
    def staying(self) -> str:
        """Which branches stay, by their first layers, and why."""
        told = by_reason({name: reason for name, reason in self.of.held.items() if reason != OUT_OF_SCOPE})
        return f"residual branches that stay: {told}" if told else ""

    def means(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean of the values of all weights of each branch."""
        return {_ALL: self._sums({name: value.double().sum() for name, value in values.items()}) / self.sizes[_ALL]}

    def living(self, alive: MaskSet) -> MaskSet:
        """Which branches have a surviving weight."""
        return MaskSet({_ALL: self._sums({n: torch.tensor(kept) for n, kept in alive.kept_per_layer.items()}) > 0})

    def masks(self, kept: Mapping[str, Tensor], alive: MaskSet) -> MaskSet:
        """The surviving weights of kept branches, and of all layers that are in none."""
        gone = self._gone(kept)
        return MaskSet({name: mask & (name not in gone) for name, mask in alive.items()})

    def counts(self, kept: Mapping[str, Tensor], alive: MaskSet) -> dict[str, int]:
        """How many weights these masks keep of each layer."""
        gone = self._gone(kept)
        return {name: 0 if name in gone else count for name, count in alive.kept_per_layer.items()}

    def _gone(self, kept: Mapping[str, Tensor]) -> set[str]:
        pairs = zip(self.of.found, kept[_ALL].tolist(), strict=True)
        return {name for branch, stays in pairs if not stays for name in branch.layers}

    def _sums(self, of_layers: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([sum((of_layers[name] for name in each.layers), torch.zeros(())) for each in self.of.found])
