"""FLOP of the dense network, layer by layer, from the shapes of one forward pass; knows no masks.

Only prunable layers count, as in Han et al. 2015, Tables 2 to 5: two FLOP per multiply-add, no bias, nothing for
pooling, normalisation and non-linearities.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruneexp.cost.calls import watched
from pruneexp.pruning.layers import prunable


@dataclass(frozen=True)
class Trace:
    """One image's way through a network.

    ``calls`` names the prunable layers in the order they ran, as often as they ran. ``flop`` holds the dense cost of
    each prunable layer for one image, in registration order; a layer that never ran has 0.
    """

    calls: tuple[str, ...]
    flop: dict[str, float]


def trace(network: nn.Module, input_shape: tuple[int, ...]) -> Trace:
    """Run one zero image of ``input_shape`` (C, H, W) through ``network``, on the network's own device and dtype.

    Runs in evaluation mode and leaves the mode as it was. A network on the ``meta`` device costs neither memory nor
    time, and gives the same answer.

    Raises:
        UserError: the network has no prunable layer.
    """
    calls: list[str] = []
    flop = dict.fromkeys(prunable(network), 0.0)

    def count(name: str, weight: Tensor, output: Tensor) -> None:
        calls.append(name)
        flop[name] += 2.0 * output.numel() * weight[0].numel()  # each output is a sum over one filter's weights

    like = next(network.parameters())
    image = torch.zeros((1, *input_shape), device=like.device, dtype=like.dtype)
    with watched(network, before=lambda name, images: None, after=count):
        network(image)
    return Trace(tuple(calls), flop)


def layer_flops(network: nn.Module, input_shape: tuple[int, ...]) -> dict[str, float]:
    """Dense FLOP of each prunable layer for one image of ``input_shape`` (C, H, W); see ``trace``."""
    return trace(network, input_shape).flop
