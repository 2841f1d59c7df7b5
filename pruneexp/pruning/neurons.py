"""Dead neurons: units that lost all inputs or all outputs, and their removal (Han et al. 2015, section 3.5).

A unit is a row of a linear layer or a filter of a convolution. The remaining connections of a dead unit are useless,
and without them other units may be dead. Where the layers form a chain (see ``wiring``) this module follows both
directions; elsewhere it counts only units without inputs, which never counts too many. A normalisation across channels
is no connection, as in the paper's count; the units of the last layer are the classes and need no outputs.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruneexp.pruning.layers import prunable, weight_of
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import precise
from pruneexp.pruning.wiring import LayerLink, Wiring, trace
from pruneexp.tracing.mode import evaluating


@dataclass(frozen=True)
class Removal:
    """A copy of the network without its removable dead neurons, and the masks of the connections that it still uses.

    ``removed`` holds a boolean tensor (units,) per layer: true for units that have no inputs and no outputs any more.
    """

    network: nn.Module
    masks: MaskSet
    removed: dict[str, Tensor]


def dead_units(network: nn.Module, masks: MaskSet, example: Tensor) -> dict[str, Tensor]:
    """Boolean tensor (units,) per prunable layer; True = dead. ``example`` is a batch of inputs, shape (N, C, H, W).

    Layers without a mask count as dense. A unit whose effective mask (see ``without_dead``) is empty is dead.
    """
    effective = without_dead_of(_whole(network, masks), trace(network, example))
    return {name: ~_hears(mask) for name, mask in effective.items()}


def without_dead(network: nn.Module, masks: MaskSet, example: Tensor) -> MaskSet:
    """The effective masks: ``masks`` without the connections of dead neurons; ``example`` has shape (N, C, H, W)."""
    return without_dead_of(_whole(network, masks), trace(network, example)).restrict(masks)


def without_dead_of(masks: MaskSet, wiring: Wiring) -> MaskSet:
    """``without_dead`` for masks of all layers of a known wiring.

    One sweep forwards (a unit without inputs loses its outputs) and one backwards (a unit without outputs loses its
    inputs) suffice: the backward sweep only empties units that have no outputs.
    """
    kept = dict(masks)
    for link in wiring.links:
        kept[link.target] = _unheard(kept[link.target], link, ~_hears(kept[link.source]))
    for link in reversed(wiring.links):
        kept[link.source] = kept[link.source] & _column(_is_heard(kept[link.target], link), kept[link.source])
    return MaskSet(kept)


def remove_dead(network: nn.Module, masks: MaskSet, example: Tensor) -> Removal:
    """Remove dead neurons from a copy of a masked network whose outputs, in evaluation mode, stay the same.

    A unit without inputs still gives a constant, its bias. Where that constant reaches every input of the next layer
    unchanged, it is added to that layer's bias: always between linear layers, and into a convolution without padding.
    With padding, or into a layer without bias, only a constant of zero can go; across a normalisation over channels
    none can. Units that cannot be removed exactly stay as they are. ``example`` has shape (N, C, H, W).

    Raises:
        UserError: the masks do not fit the network.
    """
    smaller = copy.deepcopy(network)
    masks.apply_(smaller)
    kept, wiring = dict(_whole(smaller, masks)), trace(smaller, example)
    layers = prunable(smaller)
    removed = {name: torch.zeros(len(mask), dtype=torch.bool, device=mask.device) for name, mask in kept.items()}
    free = [link for link in wiring.links if not link.coupled]
    with torch.no_grad():
        for link in free:
            mute = ~_hears(kept[link.source]) & _is_heard(kept[link.target], link)
            if bool(mute.any()):
                folded = _fold(smaller, layers[link.target], link, mute, example)
                kept[link.target] = _unheard(kept[link.target], link, folded)
        for link in reversed(free):
            removed[link.source] = ~_is_heard(kept[link.target], link)
            kept[link.source] = kept[link.source] & _column(~removed[link.source], kept[link.source])
            _silence(layers[link.source], removed[link.source])
    left = MaskSet(kept)
    left.apply_(smaller)
    return Removal(smaller, left.restrict(masks), removed)


def _whole(network: nn.Module, masks: MaskSet) -> MaskSet:
    """Masks of all prunable layers of the network, in their order."""
    whole = {
        name: masks[name] if name in masks else torch.ones_like(weight_of(layer), dtype=torch.bool)
        for name, layer in prunable(network).items()
    }
    return MaskSet(whole)


def _hears(mask: Tensor) -> Tensor:
    """Boolean (units,): whether a unit has an input."""
    return mask.flatten(1).any(1)


def _is_heard(mask: Tensor, link: LayerLink) -> Tensor:
    """Boolean (units of the source,): whether the target, whose mask this is, has a connection from a unit."""
    return link.grouped(mask).any(3).any(1).flatten()


def _unheard(mask: Tensor, link: LayerLink, units: Tensor) -> Tensor:
    """The target's mask without its connections from these units of the source."""
    grouped = link.grouped(mask)
    return (grouped & ~units.view(grouped.shape[0], 1, -1, 1)).reshape(mask.shape)


def _column(units: Tensor, like: Tensor) -> Tensor:
    return units.view(-1, *(1 for _ in like.shape[1:]))


def _silence(layer: nn.Module, units: Tensor) -> None:
    """Zero the biases of these units, which have no outputs."""
    if isinstance(layer.bias, Tensor):
        layer.bias.masked_fill_(units, 0.0)


def _fold(network: nn.Module, target: nn.Module, link: LayerLink, mute: Tensor, example: Tensor) -> Tensor:
    """Add the constants of ``mute`` units to the target's bias; return the units for which that is exact."""
    constants = _input_of(network, target, example)[0].reshape(mute.numel(), -1)
    exact = mute & _foldable(target, constants)
    weight = precise(link.grouped(weight_of(target)))
    if isinstance(target, nn.Linear):
        steady = constants.view(1, 1, mute.numel(), -1)
    else:
        steady = constants[:, :1].view(link.groups, 1, -1, 1)
    share = (weight * steady * exact.view(link.groups, 1, -1, 1)).sum((2, 3), dtype=torch.float64).flatten()
    if isinstance(target.bias, Tensor):
        target.bias += share.to(target.bias.dtype)
    return exact


def _foldable(target: nn.Module, constants: Tensor) -> Tensor:
    zero = (constants == 0).all(1)
    if not isinstance(target.bias, Tensor):
        return zero
    if isinstance(target, nn.Linear):
        return torch.ones_like(zero)
    assert isinstance(target, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    padded = target.padding != "valid" and any(padding != 0 for padding in target.padding)
    return zero if padded else (constants == constants[:, :1]).all(1)


def _input_of(network: nn.Module, layer: nn.Module, example: Tensor) -> Tensor:
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(
        lambda _, inputs, named: seen.append(inputs[0] if inputs else named["input"]), with_kwargs=True
    )
    try:
        with evaluating(network):
            network(example)
    finally:
        handle.remove()
    return seen[0]
