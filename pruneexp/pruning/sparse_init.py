"""Initial weights of sparse layers, widened as in the code of Liu et al. 2019 for weight-level Scratch training."""

from __future__ import annotations

import math

import torch
from torch import nn

from pruneexp.pruning.masks import MaskSet, masked_weights


def widen_(network: nn.Module, masks: MaskSet, seed: int) -> None:
    """Draw the masked layers anew, in place: normal, with ``std = sqrt(2 / (nnz / fan-in channels))``.

    ``nnz`` is the number of kept weights of the layer, the fan-in channels are the second dimension of its weight. A
    layer with fewer kept weights starts wider; for a dense layer this is He's fan-out rule. The paper reports no gain
    over the plain initialisation.

    Raises:
        UserError: the masks do not fit the network.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in masked_weights(network, masks).items():
            kept = max(1, masks.kept_per_layer[name])
            drawn = torch.randn(weight.shape, generator=generator) * math.sqrt(2 * weight.shape[1] / kept)
            weight.copy_(drawn)
    masks.apply_(network)
