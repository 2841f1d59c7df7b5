"""Exact counts and exact choices: the number of weights that a density means, and the weights of the highest scores.

The lower index wins every tie, so that the count is exact for any scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from pruneexp.pruning.masks import MaskSet


def count_for(density: float, total: int) -> int:
    """Weights kept of ``total``, rounded as ``torch.nn.utils.prune`` rounds: to whole pruned weights, half to even."""
    return total - round((1 - density) * total)


def best(scores: Tensor, allowed: Tensor, count: int) -> Tensor:
    """Boolean tensor in the shape of ``scores``: the ``count`` highest among ``allowed``, or all of them if fewer."""
    candidates = surviving(scores, allowed)
    chosen = _highest(candidates, count)
    mask = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    if candidates.numel() == scores.numel():
        mask = chosen
    else:
        mask[allowed.reshape(-1)] = chosen
    return mask.reshape(scores.shape)


def best_of_each(scores: Tensor, allowed: Tensor, size: int, count: int) -> Tensor:
    """Boolean tensor in the shape of ``scores``: of every ``size`` consecutive ones the ``count`` highest allowed.

    Scores are consecutive along the second dimension, then along those after it, then along the first.

    Raises:
        ValueError: their number is no multiple of ``size``.
    """
    if scores.numel() % size:
        raise ValueError(f"{scores.numel()} scores are no groups of {size}")
    moved = precise(scores.detach()).masked_fill(~allowed, -torch.inf).movedim(1, -1)
    order = moved.reshape(-1, size).argsort(dim=1, descending=True, stable=True)
    chosen = torch.zeros(order.shape, dtype=torch.bool, device=scores.device).scatter_(1, order[:, :count], True)
    return chosen.reshape(moved.shape).movedim(-1, 1) & allowed


def best_of_places(scores: Tensor, allowed: Tensor, counts: Sequence[int]) -> Tensor:
    """Boolean tensor in the shape of ``scores``: at each place of the kernels its count of the highest allowed."""
    places = zip(scores.flatten(2).unbind(2), allowed.flatten(2).unbind(2), counts, strict=True)
    return torch.stack([best(*each) for each in places], dim=2).reshape(scores.shape)


def best_counts(scores: Mapping[str, Tensor], survivors: MaskSet, count: int) -> dict[str, int]:
    """How many of the ``count`` highest scores of all survivors together lie in each layer.

    Between layers, the one named first wins a tie.
    """
    parts = [surviving(layer, survivors[name]) for name, layer in scores.items()]
    chosen = _highest(torch.cat(parts), count).split([part.numel() for part in parts])
    return {name: int(part.count_nonzero()) for name, part in zip(scores, chosen, strict=True)}


def kth_largest(values: Tensor, rank: int) -> Tensor:
    """The value of rank 1 (largest) to n (smallest) of a flat tensor without NaN.

    For 61 M floats, one CPU core takes 0.3 to 0.8 s with NumPy's introselect (ties are slowest), 1.3 s with
    ``torch.kthvalue``, and 10 s with a sort.
    """
    index = values.numel() - rank
    if values.device.type == "cpu":
        return torch.from_numpy(np.partition(values.numpy(), index)[index : index + 1])[0]
    return values.kthvalue(index + 1).values


def surviving(values: Tensor, alive: Tensor) -> Tensor:
    """The values where ``alive``, flat, in index order, half precision as float32; a view of ``values`` if possible."""
    flat = precise(values.detach().reshape(-1))
    kept = alive.reshape(-1)
    return flat if bool(kept.all()) else flat[kept]


def precise(values: Tensor) -> Tensor:
    """Half precision as float32, other types unchanged: in 8 bits a threshold moves and quotients become ties."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _highest(values: Tensor, count: int) -> Tensor:
    if count >= values.numel():
        return torch.ones_like(values, dtype=torch.bool)
    if count <= 0:
        return torch.zeros_like(values, dtype=torch.bool)
    threshold = kth_largest(values, count)
    chosen = values >= threshold
    surplus = int(chosen.count_nonzero()) - count
    if surplus:
        tied = (values == threshold).nonzero().reshape(-1)
        chosen[tied[tied.numel() - surplus :]] = False
    return chosen
