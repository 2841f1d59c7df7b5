"""How the weights of a pruned network are distributed beside those of the dense one that it comes from.

Knows networks and masks, and no record.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pruneexp.pruning.layers import PrunableLayer, prunable
from pruneexp.schema import LayerWeights

#: Bins of a histogram, by the number of weights that are kept; odd, so that zero is in the middle of one.
_FEWEST, _MOST = 21, 201


@torch.no_grad()
def distributions(dense: nn.Module, pruned: nn.Module, masks: Mapping[str, Tensor]) -> tuple[LayerWeights, ...]:
    """Every layer in the order of the network; one without a mask keeps all of its weights."""
    before, after = prunable(dense), prunable(pruned)
    first = next(iter(before))
    return tuple(_layer(name, layer, after[name].weight, masks.get(name), name == first)
                 for name, layer in before.items())  # fmt: skip


def _layer(name: str, layer: PrunableLayer, retrained: Tensor, mask: Tensor | None, first: bool) -> LayerWeights:
    dense, after = layer.weight.detach().float().cpu(), retrained.detach().float().cpu()
    kept = torch.ones_like(dense, dtype=torch.bool) if mask is None else mask.cpu()
    limit = max(float(dense.abs().max()), float(after[kept].abs().max()) if kept.any() else 0.0) or 1.0
    bins = min(_MOST, _FEWEST + 2 * int(int(kept.sum()) ** 0.5 / 2.0))
    inputs = tuple(kept.sum(0).tolist()) if first and layer.kind == "linear" and layer.module else ()
    counts = [_counts(values, bins, limit) for values in (dense, dense[kept], after[kept])]
    return LayerWeights(layer=name, limit=limit, dense=counts[0], cut=counts[1], after=counts[2],
                        units=len(layer.rows(kept)), inputs=inputs)  # fmt: skip


def _counts(values: Tensor, bins: int, limit: float) -> tuple[int, ...]:
    return tuple(int(count) for count in torch.histc(values, bins, -limit, limit).tolist())
