"""Channels: a filter with all that is coupled to it through a whole network, and can be taken out of that."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from torch import nn

from pruneexp.errors import UserError
from pruneexp.pruning.channels import ChannelGrouping
from pruneexp.pruning.couplings import couplings
from pruneexp.tracing.trace import Trace


@dataclass(frozen=True)
class Channel:
    """A channel with the rows that make it and the weights that read it, in all layers that additions couple.

    Rows alone are scored: a filter by the mean of its magnitudes, which ranks as their sum in Li et al. 2017, section
    3.1; where several layers make one channel, all of their rows together.
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
                f"criterion.unit: {type(network).__name__} has no channels that can go, as all must stay whole: {why}"
            )
        return ChannelGrouping(found, network)
