"""Heads of attention: the queries, keys and values of one, and the inputs of the layer that reads it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.channels import ChannelGrouping
from pruneexp.pruning.couplings import by_reason, heads
from pruneexp.pruning.layers import weights
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.removal_trial import check_removable
from pruneexp.pruning.units.unit import Units
from pruneexp.tracing.trace import Trace


@dataclass(frozen=True)
class Head:
    """A head with the rows that make its queries, keys and values, which are scored, and the columns that read it.

    Michel et al. 2019 take heads out in this way. Without its columns a head adds nothing to what is left, its
    biases neither. Layers that are coupled lose the same heads.
    """

    def grouping(self, trace: Trace, network: nn.Module, scope: Collection[str]) -> ChannelGrouping:
        """The heads of a network of which only the layers in ``scope`` may lose outputs.

        Raises:
            UserError: there is none, or none beside others.
        """
        found = heads(trace, network, scope)
        several = {name: each for name, each in found.sets.items() if each.channels > 1}
        if not several:
            raise UserError(
                f"criterion.unit: {type(network).__name__} has no heads of attention that can go: "
                f"{by_reason(found.held) or 'no product of activations has several heads'}"
            )
        return ChannelGrouping(replace(found, sets=several), network, "head")

    def check(self, units: Units, network: nn.Module, example: Tensor) -> None:
        """Take all heads but one out of each layer.

        Raises:
            UserError: the network's code cannot do with fewer.
        """
        one = {name: torch.arange(len(sizes)) == 0 for name, sizes in units.sizes.items()}
        alive = MaskSet.dense({name: weight.detach().cpu() for name, weight in weights(network).items()})
        check_removable(units.masks(one, alive), network, example, "heads")
