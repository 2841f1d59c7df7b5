"""FLOP of the dense network, layer by layer, from the shapes of one forward pass; knows no masks.

Only prunable layers count, as in Han et al. 2015, Tables 2 to 5: two FLOP per multiply-add, and none for biases,
pooling, normalisation and non-linearities.
"""

from __future__ import annotations

from torch import Tensor, nn

from pruneexp.cost.calls import watched
from pruneexp.pruning.layers import prunable


def layer_flops(network: nn.Module, inputs: Tensor) -> dict[str, float]:
    """Dense FLOP of each prunable layer for one of these inputs, in registration order.

    A layer that does not run has 0. The inputs, which lie on the network's device, go through it in evaluation mode;
    its mode is as before. A network on the ``meta`` device takes neither memory nor time, and has the same FLOP.

    Raises:
        UserError: the network has no prunable layer.
    """
    flop = dict.fromkeys(prunable(network), 0.0)

    def count(name: str, weight: Tensor, output: Tensor) -> None:
        # Each output is a sum over one filter's weights.
        flop[name] += 2.0 * output.numel() * weight[0].numel() / len(inputs)

    with watched(network, before=lambda name, values: None, after=count):
        network(inputs)
    return flop
