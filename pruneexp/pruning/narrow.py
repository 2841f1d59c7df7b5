"""A network at the size that its masks leave it, to be trained there, and its numbers back in their place."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.removal import Architecture, SmallNetwork, architecture_of, check_alike, masks_left, shrink_
from pruneexp.tracing.graphs import tensors_of
from pruneexp.tracing.trace import traced


def narrowed(network: nn.Module, masks: MaskSet, example: Tensor) -> SmallNetwork:
    """A copy without the channels that no kept weight reads, which computes the same with any weights.

    Channels that only their constants make needless stay, as training changes these. Pruned weights of the network
    become zero, in place. ``example`` is a batch (N, ...) of inputs on the device of the network.

    Raises:
        UserError: a pass cannot be recorded, or the code of the network needs the sizes that it was made with.
    """
    masks.to(example.device).apply_(network)
    architecture = architecture_of(traced(network, example), network, masks)
    small = copy.deepcopy(network)
    shrink_(small, architecture)
    check_alike(network, small, example)
    return SmallNetwork(small, architecture, masks_left(network, masks, architecture))


@torch.no_grad()
def place_(network: nn.Module, values: Mapping[str, Tensor], architecture: Architecture) -> None:
    """Put tensors of a small network where they stand in the whole one, in place; all other numbers stay."""
    for name, tensor in tensors_of(network).items():
        kept = architecture.kept.get(name, {})
        if not kept:
            tensor.copy_(values[name])
            continue
        indices = [kept.get(dim, torch.arange(size)).to(tensor.device) for dim, size in enumerate(tensor.shape)]
        tensor[torch.meshgrid(*indices, indexing="ij")] = values[name].to(tensor.device)
