"""Initial weights of sparse layers, widened as in the code of Liu et al. 2019 for weight-level Scratch training."""

from __future__ import annotations

import math

import torch
from torch import nn

from pruneexp.pruning.layers import prunable
from pruneexp.pruning.masks import MaskSet, masked_weights


def widen_(network: nn.Module, masks: MaskSet, seed: int) -> None:
    """Draw the masked layers anew, in place: normal, with ``std = sqrt(2 / (nnz / fan-in channels))``.

    ``nnz`` is the number of kept weights of the layer, the fan-in channels are the second dimension of its weight, of a
    transposed convolution the first one of a group. A layer with fewer kept weights starts wider; for a dense layer
    this is He's fan-out rule. The paper reports no gain over the plain initialisation. Embeddings and bare parameters,
    which have no fan-in, stay as they are.

    Raises:
        UserError: the masks do not fit the network.
    """
    generator = torch.Generator().manual_seed(seed)
    masked, layers = masked_weights(network, masks), prunable(network)
    with torch.no_grad():
        for name, weight in masked.items():
            layer = layers[name]
            if layer.kind in ("conv", "linear", "recurrent"):
                kept, inputs = max(1, masks.kept_per_layer[name]), weight.shape[1]
                if layer.transposed:
                    inputs = weight.shape[0] // layer.transposed
                weight.copy_(torch.randn(weight.shape, generator=generator) * math.sqrt(2 * inputs / kept))
    masks.apply_(network)
