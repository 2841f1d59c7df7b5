"""The groups of layers that a scan prunes together: one layer, or several coupled ones. Knows no data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.allotment import check_layers
from pruneexp.pruning.layers import KINDS, prunable, weights


@dataclass(frozen=True)
class Group:
    """Layers that a scan prunes at once, each to the level by itself; modules with a common weight are one layer."""

    name: str
    layers: tuple[str, ...]


def groups(
    network: nn.Module,
    kinds: Collection[str] = KINDS,
    coupled: Sequence[Sequence[str]] = (),
    exclude: Collection[str] = (),
) -> tuple[Group, ...]:
    """Every layer that ``pruning.layers.prunable`` finds, alone or with those it is coupled to, in their order.

    Raises:
        UserError: the network has no such layer, or ``coupled`` names an unknown layer, a layer twice, or no layer.
    """
    layers = prunable(network, kinds, exclude)
    named = [name for names in coupled for name in names]
    check_layers(named, layers, "coupled")
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise UserError(f"coupled names {', '.join(twice)} more than once; a layer can be in one group only.")
    if not all(coupled):
        raise UserError("coupled holds a set without layers; give at least two layers that are pruned together.")
    position = {name: index for index, name in enumerate(layers)}
    together = [sorted(names, key=position.__getitem__) for names in coupled]
    alone = [[name] for name in layers if name not in named]
    ordered = sorted(together + alone, key=lambda names: position[names[0]])
    return tuple(Group("+".join(names), tuple(names)) for names in ordered)


def weights_of(network: nn.Module, group: Group) -> dict[str, Tensor]:
    """The weight parameters themselves, by layer."""
    layers = weights(network)
    return {name: layers[name] for name in group.layers}
