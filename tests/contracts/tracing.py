"""Traces of networks by the shape of what they take."""

from __future__ import annotations

import torch
from torch import nn

from pruneexp.tracing.trace import Trace, traced


def traced_by(network: nn.Module, shape: tuple[int, ...]) -> Trace:
    """The trace of a pass of noise of ``shape``, without its batch, on the network's device."""
    noise = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    return traced(network, noise.to(next(network.parameters()).device))
