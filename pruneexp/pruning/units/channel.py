"""Channels: what is coupled through a whole network and can be taken out of it, a filter with all that depends on it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from torch import nn

from pruneexp.errors import UserError
from pruneexp.pruning.channels import ChannelGrouping
from pruneexp.pruning.couplings import couplings
from pruneexp.pruning.layers import prunable
from pruneexp.tracing.trace import Trace


@dataclass(frozen=True)
class Channel:
    """A channel with the rows that make it and the weights that read it, in all layers that additions and the like couple.

    Rows alone are scored (Li et al. 2017, section 3.1: a filter by the sum of its magnitudes; where several layers make
    one channel, all of their rows together).
    """

    def grouping(self, trace: Trace, network: nn.Module, scope: Collection[str]) -> ChannelGrouping:
        """The channels of a network of which only the layers in ``scope`` may lose outputs.

        Raises:
            UserError: there is none.
        """
        found = couplings(trace, network, scope)
        if not found.sets:
            why = ", ".join(f"{name} ({reason})" for name, reason in list(found.held.items())[:3])
            raise UserError(
                f"criterion.unit=channel: {type(network).__name__} has no channels that can go, for each must stay: {why}"
            )
        layers = prunable(network)
        return ChannelGrouping(
            found,
            {name: layer.parameter for name, layer in layers.items()},
            {name: layer.weight.shape for name, layer in layers.items()},
        )
