"""Bytes of a weight tensor, dense and sparse, and of what a network holds beside those that are pruned.

The sparse form has Han et al.'s relative indices ("Deep Compression", 2016, Figure 2): it walks the flattened tensor
(row-major) and stores, for each kept weight, its 32-bit value and the number of pruned weights since the entry before
it, in 8 bits for convolutions and in 5 for all other layers. ``b`` bits hold 0 to ``2^b - 1``; in a longer gap it
stores an entry of value zero after every ``2^b - 1`` skipped weights (a filler, which itself stands on a pruned weight
and so covers ``2^b`` of them). The walk runs across rows, so there are no row pointers; pruned weights after the last
kept one cost nothing. Where all gaps fit, the overhead is 5 / 32 = 15.6 % of the kept values. A tensor that lost no
weight needs no indices and is stored dense.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pruneexp.pruning.layers import weights

VALUE_BITS = 32
CONV_INDEX_BITS, INDEX_BITS = 8, 5
_CHUNK = 1 << 22  # weights per step: positions are 64-bit, so VGG-16's fc6 at once would need 0.8 GB


def dense_bytes(weights: int) -> int:
    """Bytes of this many weights in 32 bits each."""
    return weights * VALUE_BITS // 8


def relative_index_bytes(mask: Tensor, kind: str, value_bits: int = VALUE_BITS) -> int:
    """Bytes of the kept weights of one layer with their relative indices and fillers, rounded up to a whole byte.

    ``mask`` is boolean, of any shape, ``True`` = kept; one that keeps every weight needs no index. The
    value of a weight takes ``value_bits``.
    """
    bits, kept = CONV_INDEX_BITS if kind == "conv" else INDEX_BITS, int(mask.count_nonzero())
    if kept == mask.numel():
        return -(-kept * value_bits // 8)
    entries = kept + fillers(mask, bits)
    return -(-entries * (value_bits + bits) // 8)


def entry_bytes(kind: str) -> float:
    """Bytes of one kept weight of a sparse layer: its value and the index before it."""
    return (VALUE_BITS + (CONV_INDEX_BITS if kind == "conv" else INDEX_BITS)) / 8


def beside_layers(network: nn.Module) -> tuple[int, int]:
    """Numbers, and their bytes, of what a network's state holds beside its prunable layers: biases and statistics."""
    layers = {id(weight) for weight in weights(network).values()}
    state = {id(tensor): tensor for tensor in network.state_dict(keep_vars=True).values()}
    others = [tensor for key, tensor in state.items() if key not in layers]
    return sum(tensor.numel() for tensor in others), sum(tensor.numel() * tensor.element_size() for tensor in others)


def fillers(mask: Tensor, index_bits: int) -> int:
    """Number of zero entries that bridge the gaps too long for ``index_bits`` bits, in a boolean mask of any shape.

    Raises:
        ValueError: ``index_bits`` is below 1.
    """
    if index_bits < 1:
        raise ValueError(f"index_bits is {index_bits}, must be at least 1")
    count, last = 0, -1
    flat = mask.flatten()
    for start in range(0, flat.numel(), _CHUNK):
        kept = flat[start : start + _CHUNK].nonzero().flatten() + start
        if len(kept):
            gaps = kept.diff(prepend=kept.new_tensor([last])) - 1
            bridged, final = torch.stack([(gaps >> index_bits).sum(), kept[-1]]).tolist()
            count, last = count + bridged, final
    return count
