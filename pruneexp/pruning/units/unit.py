"""What a unit is: weights of one layer that are kept or pruned together, scored by the mean of their scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from pruneexp.errors import UserError

#: By layer, the number of weights (or what they cost) of each of its units; one number where all are equal.
UnitSizes = Mapping[str, Tensor | float]


class Unit(Protocol):
    """Says which weights of a layer belong together. A criterion scores single weights and need not know of units."""

    def members(self, name: str, weight: Tensor) -> Tensor:
        """The unit of each weight: int64 in the weight's shape, from 0 on, without gaps.

        Raises:
            UserError: this layer has no such units.
        """
        ...


def unit_name(unit: Unit | None) -> str:
    """What people call a unit: ``weight`` of single weights, else its class in small letters."""
    return "weight" if unit is None else type(unit).__name__.lower()


class Grouping:
    """The units of some layers: from weights to units and back.

    Raises:
        UserError: a layer has no such units, or a unit does not say for every weight where it belongs.
    """

    def __init__(self, unit: Unit, weights: Mapping[str, Tensor]) -> None:
        self.members = {name: _checked(unit.members(name, weight), name, weight) for name, weight in weights.items()}
        self.sizes = {name: torch.bincount(members.reshape(-1)).double() for name, members in self.members.items()}

    def means(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean of the values of each unit's weights, flat."""
        return {name: self._sums(name, value.double()) / self.sizes[name] for name, value in values.items()}

    def alive(self, name: str, survivors: Tensor) -> Tensor:
        """Which units have a surviving weight, flat."""
        return self._sums(name, survivors.double()) > 0

    def spread(self, name: str, units: Tensor) -> Tensor:
        """A value per unit, given to each of its weights."""
        return units[self.members[name]]

    def _sums(self, name: str, values: Tensor) -> Tensor:
        members = self.members[name].reshape(-1)
        return torch.zeros_like(self.sizes[name]).index_add_(0, members, values.reshape(-1))


def _checked(members: Tensor, name: str, weight: Tensor) -> Tensor:
    right = members.dtype == torch.int64 and members.shape == weight.shape
    if not right or not torch.equal(members.unique(), torch.arange(int(members.max()) + 1)):
        raise UserError(f"the units of layer {name} must be int64 numbers from 0 without gaps, one for each weight")
    return members
