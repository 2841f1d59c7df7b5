"""What a unit is: weights that are kept or pruned together, scored by the mean of their scores."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.masks import MaskSet
from pruneexp.tracing.trace import Trace

#: By layer, the number of weights (or what they cost) of each of its units; one number where all are equal.
UnitSizes = Mapping[str, Tensor | float]


@runtime_checkable
class Unit(Protocol):
    """Says which weights of a layer belong together. A criterion scores single weights and need not know of units."""

    def members(self, name: str, weight: Tensor) -> Tensor:
        """The unit of each weight: int64 in the weight's shape, from 0 on, without gaps.

        Raises:
            UserError: this layer has no such units.
        """
        ...


def unit_name(unit: Unit | NetworkUnit | None) -> str:
    """What people call a unit: ``weight`` of single weights, else its class in small letters."""
    return "weight" if unit is None else type(unit).__name__.lower()


@runtime_checkable
class Units(Protocol):
    """All units of some weights, from weights to units and back.

    Units lie in layers, or in what stands in their place where units span several: sets of channels. ``additive``:
    whether the cost of some units is the sum of the costs of each; else it is that of their masks.
    """

    @property
    def name(self) -> str: ...

    @property
    def additive(self) -> bool: ...

    @property
    def staying(self) -> str:
        """Which weights belong to no unit, and why, in words; empty where nothing need be said."""
        ...

    @property
    def sizes(self) -> Mapping[str, Tensor]:
        """The number of weights of each unit, flat, layer by layer."""
        ...

    def means(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean of the values of each unit's weights, flat."""
        ...

    def living(self, alive: MaskSet) -> MaskSet:
        """Which units have a surviving weight, flat."""
        ...

    def masks(self, kept: Mapping[str, Tensor], alive: MaskSet) -> MaskSet:
        """The masks of the weights of kept units, as far as those are alive."""
        ...

    def counts(self, kept: Mapping[str, Tensor], alive: MaskSet) -> Mapping[str, int]:
        """How many weights these masks keep of each layer."""
        ...


@runtime_checkable
class NetworkUnit(Protocol):
    """Says which weights of a whole network belong together, through the layers that a pass connects."""

    def grouping(self, trace: Trace, network: nn.Module, scope: Collection[str]) -> Units:
        """The units of a network, by the graph of a pass; ``scope`` are the layers that may lose outputs.

        Raises:
            UserError: it has no such units.
        """
        ...


@runtime_checkable
class CheckedUnit(NetworkUnit, Protocol):
    """A unit of a network whose code may need all of them, which is tried before anything is trained."""

    def check(self, units: Units, network: nn.Module, example: Tensor) -> None:
        """Take units out of a copy of the network, which ``example`` runs through, a batch of inputs.

        Raises:
            UserError: says why they cannot be taken out.
        """


class Grouping:
    """Units of single layers.

    Raises:
        UserError: a layer has no such units, or a unit does not say for every weight where it belongs.
    """

    additive, staying = True, ""

    def __init__(self, unit: Unit, weights: Mapping[str, Tensor]) -> None:
        self.name = unit_name(unit)
        self.members = {name: _checked(unit.members(name, weight), name, weight) for name, weight in weights.items()}
        self.sizes = {name: torch.bincount(members.reshape(-1)).double() for name, members in self.members.items()}

    def means(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean of the values of each unit's weights, flat."""
        return {name: self._sums(name, value.double()) / self.sizes[name] for name, value in values.items()}

    def living(self, alive: MaskSet) -> MaskSet:
        """Which units have a surviving weight, flat."""
        return MaskSet({name: self._sums(name, alive[name].double()) > 0 for name in self.members})

    def masks(self, kept: Mapping[str, Tensor], alive: MaskSet) -> MaskSet:
        """A value per unit, given to each of its surviving weights."""
        return MaskSet({name: units[self.members[name]] & alive[name] for name, units in kept.items()})

    def counts(self, kept: Mapping[str, Tensor], alive: MaskSet) -> dict[str, int]:
        """How many weights these masks keep of each layer."""
        return self.masks(kept, alive).kept_per_layer

    def _sums(self, name: str, values: Tensor) -> Tensor:
        members = self.members[name].reshape(-1)
        return torch.zeros_like(self.sizes[name]).index_add_(0, members, values.reshape(-1))


def _checked(members: Tensor, name: str, weight: Tensor) -> Tensor:
    right = members.dtype == torch.int64 and members.shape == weight.shape
    if not right or not torch.equal(members.unique(), torch.arange(int(members.max()) + 1)):
        raise UserError(f"the units of layer {name} must be int64 numbers from 0 without gaps, one for each weight")
    return members
