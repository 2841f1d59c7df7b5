"""Counts of each layer that follow from masks: kept and effective weights, dead units, bytes; knows no activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from pruneexp.cost.storage import dense_bytes, relative_index_bytes
from pruneexp.pruning.layers import kind_of, prunable, weight_of


@dataclass(frozen=True, kw_only=True)
class LayerCount:
    """One prunable layer under its mask; plain numbers, fit for JSON.

    ``weights_effective`` counts the kept weights on a path from the images to the outputs; a unit, an output feature or
    channel, is dead if it has none. ``bytes_sparse`` is the size in the relative-index form of ``cost.storage``.
    """

    layer: str
    kind: Literal["conv", "linear"]
    weights_total: int
    weights_kept: int
    weights_effective: int
    neurons_total: int
    neurons_dead: int
    bytes_dense: int
    bytes_sparse: int


def count_layers(
    network: nn.Module, masks: Mapping[str, Tensor], effective: Mapping[str, Tensor]
) -> tuple[LayerCount, ...]:
    """Count every prunable layer of ``network``, in registration order.

    ``masks`` maps layer names to boolean tensors in the shape of the weight; a layer without one is dense.
    ``effective`` maps names of parameters to those of ``pruning.liveness``.

    Raises:
        ValueError: a mask does not have the shape of its layer's weight.
    """
    layers = prunable(network)
    full = {name: _mask(name, module, masks) for name, module in layers.items()}
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    live = [full[name] & effective[names[id(weight_of(module))]] for name, module in layers.items()]
    kept = torch.stack([mask.count_nonzero() for mask in full.values()]).tolist()
    left = torch.stack([mask.count_nonzero() for mask in live]).tolist()
    dead = torch.stack([(~mask.flatten(1).any(1)).count_nonzero() for mask in live]).tolist()
    rows = []
    for (name, module), weights_kept, weights_effective, units in zip(layers.items(), kept, left, dead, strict=True):
        weight = weight_of(module)
        rows.append(
            LayerCount(
                layer=name,
                kind=kind_of(module),
                weights_total=weight.numel(),
                weights_kept=weights_kept,
                weights_effective=weights_effective,
                neurons_total=weight.shape[0],
                neurons_dead=units,
                bytes_dense=dense_bytes(weight.numel()),
                bytes_sparse=relative_index_bytes(full[name], kind_of(module)),
            )
        )
    return tuple(rows)


def _mask(name: str, module: nn.Module, masks: Mapping[str, Tensor]) -> Tensor:
    weight = weight_of(module)
    mask = masks.get(name)
    if mask is None:
        return torch.ones_like(weight, dtype=torch.bool, memory_format=torch.contiguous_format)
    if mask.shape != weight.shape:
        raise ValueError(f"the mask of {name} has shape {tuple(mask.shape)}, must be {tuple(weight.shape)}")
    return mask
