"""What is left of a network once the channels are taken out that no kept weight reads."""

from __future__ import annotations

from torch import nn

from pruneexp.cost.flops import dense_flop
from pruneexp.errors import UserError
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.removal import shrunk
from pruneexp.tracing.trace import Trace, traced


def smaller_costs(trace: Trace, network: nn.Module, masks: MaskSet) -> dict[str, float]:
    """The ``parameters`` of the small network of a masked one, and its ``flop`` for one input.

    Nothing where its code does not run so. ``trace`` is the graph of a pass of the whole network.
    """
    try:
        return costs_of(shrunk(trace, network, masks).network, trace)
    except UserError:
        return {}


def costs_of(network: nn.Module, trace: Trace) -> dict[str, float]:
    """The parameters and FLOP of a network that takes the inputs of a trace."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return {"parameters": parameters, "flop": dense_flop(traced(network, trace.example)).total}
