"""Counts of each layer that follow from masks: kept and effective weights, dead units, bytes; knows no activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruneexp.cost.storage import VALUE_BITS, dense_bytes, relative_index_bytes
from pruneexp.pruning.layers import PrunableLayer, prunable


@dataclass(frozen=True, kw_only=True)
class LayerCount:
    """One prunable layer under its mask; plain numbers, fit for JSON.

    ``weights_effective`` counts the kept weights on a path from the images to the outputs; a unit, an output feature or
    channel, is dead if it has none. ``bytes_sparse`` is the size in the relative-index form of ``cost.storage``.
    ``kernel`` is what is kept at each place of its kernels, as in ``schema.LayerRow``.
    """

    layer: str
    kind: str
    weights_total: int
    weights_kept: int
    weights_effective: int
    neurons_total: int
    neurons_dead: int
    bytes_dense: int
    bytes_sparse: int
    kernel: str | None = None


def count_layers(
    network: nn.Module, masks: Mapping[str, Tensor], effective: Mapping[str, Tensor], value_bits: int = VALUE_BITS
) -> tuple[LayerCount, ...]:
    """Count every prunable layer of ``network``, in registration order.

    ``masks`` maps layer names to boolean tensors in the shape of the weight; a layer without one is dense.
    ``effective`` maps names of parameters to those of ``pruning.liveness``. The value of a kept weight takes
    ``value_bits``.

    Raises:
        ValueError: a mask does not have the shape of its layer's weight.
    """
    layers = prunable(network)
    full = {name: _mask(name, layer, masks) for name, layer in layers.items()}
    live = [full[name] & effective[layer.parameter] for name, layer in layers.items()]
    kept = torch.stack([mask.count_nonzero() for mask in full.values()]).tolist()
    left = torch.stack([mask.count_nonzero() for mask in live]).tolist()
    rows_left = [layer.rows(mask).any(1) for layer, mask in zip(layers.values(), live, strict=True)]
    alive = torch.stack([units.count_nonzero() for units in rows_left]).tolist()
    rows = []
    for (name, layer), weights_kept, weights_effective, units in zip(layers.items(), kept, left, alive, strict=True):
        total, neurons = layer.weight.numel(), len(layer.rows(layer.weight))
        rows.append(
            LayerCount(
                layer=name,
                kind=layer.kind,
                weights_total=total,
                weights_kept=weights_kept,
                weights_effective=weights_effective,
                neurons_total=neurons,
                neurons_dead=neurons - units,
                bytes_dense=dense_bytes(total),
                bytes_sparse=relative_index_bytes(full[name], layer.kind, value_bits),
                kernel=_kernel(full[name]) if layer.kind == "conv" else None,
            )
        )
    return tuple(rows)


def _mask(name: str, layer: PrunableLayer, masks: Mapping[str, Tensor]) -> Tensor:
    weight, mask = layer.weight, masks.get(name)
    if mask is None:
        return torch.ones_like(weight, dtype=torch.bool, memory_format=torch.contiguous_format)
    if mask.shape != weight.shape:
        raise ValueError(f"the mask of {name} has shape {tuple(mask.shape)}, must be {tuple(weight.shape)}")
    return mask


def _kernel(mask: Tensor) -> str | None:
    """The kept weights at each place of the kernels, row by row; nothing of kernels of one weight, or without rows."""
    if mask.dim() != 4 or mask[0, 0].numel() == 1:
        return None
    return ";".join(" ".join(map(str, row)) for row in mask.sum((0, 1)).tolist())
