"""Networks that couple channels in every way, and what their removal must come to."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.channels import ChannelGrouping
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.layers import prunable, weights
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.removal import removed
from pruneexp.pruning.select import Allocation, Selection, select
from pruneexp.pruning.units.channel import Channel
from pruneexp.schema import Budget
from tests.contracts.tracing import traced_by


def grouping(network: nn.Module, shape: tuple[int, ...]) -> ChannelGrouping:
    """The channels of all convolutions, linear and recurrent layers."""
    return Channel().grouping(traced_by(network, shape), network, prunable(network, ("conv", "linear", "recurrent")))


def cut(
    network: nn.Module, shape: tuple[int, ...], budget: Budget, allocation: Allocation | None = None, min_keep: int = 1
) -> Selection:
    """What magnitude leaves of the channels of a network."""
    found: Mapping[str, Tensor] = {name: weight.detach() for name, weight in weights(network).items()}
    return select(
        found, budget, Magnitude(), allocation or PerLayer(),
        unit=grouping(network, shape), min_keep=min_keep, generator=torch.Generator(),
    )  # fmt: skip


def restless(network: nn.Module) -> nn.Module:
    """The network in evaluation mode, with biases and statistics by which dead channels give constants beside zero."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if tensor.ndim == 1:
            drawn = torch.rand(tensor.shape, generator=generator)
            tensor.data.copy_(drawn / 2 + 0.7 if "var" in name or "weight" in name else drawn / 2)
    return network.eval()


def settled(network: nn.Module, masks: MaskSet, shape: tuple[int, ...]) -> nn.Module:
    """The masked network, in place, with the statistics of its own activations in its batch normalisations.

    With drawn ones, twenty layers let nothing of the inputs through: what comes out is a constant, cut or not.
    """
    masks.apply_(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a mean over batches, here of one
            module.train()
    with torch.no_grad():
        network(torch.randn(16, *shape, generator=torch.Generator().manual_seed(3)))
    return network.eval()


def apart(network: nn.Module, masks: MaskSet, shape: tuple[int, ...]) -> tuple[float, nn.Module]:
    """How far the outputs are from those of the masked network, relative to the largest, and the small network."""
    generator = torch.Generator().manual_seed(2)
    masked = copy.deepcopy(network)
    masks.apply_(masked)
    small = removed(network, masks, torch.randn(2, *shape, generator=generator)).network
    inputs = torch.randn(3, *shape, generator=generator)
    with torch.no_grad():
        wanted, found = masked(inputs), small(inputs)
    assert wanted.std(0).max() > 1e-4 * wanted.abs().max()  # they depend on the inputs by more than rounding
    return float((wanted - found).abs().max() / wanted.abs().max()), small
