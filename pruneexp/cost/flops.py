"""FLOP of the dense network, layer by layer, from the shapes of one forward pass; knows no masks.

Only prunable layers count, as in Han et al. 2015, Tables 2 to 5: two FLOP per multiply-add, and none for biases,
pooling, normalisation and non-linearities.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pruneexp.cost.calls import watched
from pruneexp.pruning.layers import prunable


def layer_flops(network: nn.Module, input_shape: tuple[int, ...], images: int = 1) -> dict[str, float]:
    """Dense FLOP of each prunable layer for one image of ``input_shape`` (C, H, W), in registration order.

    A layer that does not run has 0. A batch of ``images`` images of noise goes through the network, on the network's
    own device, in float32 and evaluation mode; its mode is as before. Some networks do not take a single image. A
    network on the ``meta`` device takes neither memory nor time, and has the same FLOP.

    Raises:
        UserError: the network has no prunable layer.
    """
    flop = dict.fromkeys(prunable(network), 0.0)

    def count(name: str, weight: Tensor, output: Tensor) -> None:
        # Each output is a sum over one filter's weights.
        flop[name] += 2.0 * output.numel() * weight[0].numel() / images

    batch = torch.randn((images, *input_shape), generator=torch.Generator().manual_seed(0))
    batch = batch.to(next(network.parameters()).device)
    with watched(network, before=lambda name, images: None, after=count):
        network(batch)
    return flop
