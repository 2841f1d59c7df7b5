"""Geometric median: rows that the others of their layer can stand for are pruned first (He et al. 2019, FPGM)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_ROWS = 1024  # of which distances are computed at a time


@dataclass(frozen=True)
class GeometricMedian:
    """Score the sum of the Euclidean distances of a row of weights to all rows of its layer; draws nothing.

    The row nearest to the geometric median has the smallest. All weights of a row have its score, so the criterion is
    for units that are rows or made of them.
    """

    def __call__(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        return {name: _distances(weight.detach()) for name, weight in weights.items()}


def _distances(weight: Tensor) -> Tensor:
    rows = weight.double().flatten(1)
    sums = torch.cat([torch.cdist(some, rows).sum(1) for some in rows.split(_ROWS)])
    return sums.view(-1, *[1] * (weight.ndim - 1)).expand(weight.shape).contiguous()
