"""A criterion, an allocation and a unit of a third party: tiles of 4 x 4 weights, by their largest weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pruneexp.pruning.allotment import Allotment, share_of
from pruneexp.pruning.allowance import Allowance
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import count_for


@dataclass(frozen=True)
class Squares:
    """Scores a weight by its square."""

    def __call__(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        return {name: weight.detach().square() for name, weight in weights.items()}


@dataclass(frozen=True)
class FirstWhole:
    """The first layer keeps everything, the others the share that is asked for."""

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, allowance: Allowance
    ) -> Allotment:
        share = share_of(allowance)
        kept = {name: count_for(share, mask.numel()) for name, mask in survivors.items()}
        first = next(iter(kept))
        return Allotment({**kept, first: survivors.kept_per_layer[first]})


@dataclass(frozen=True)
class Tile:
    """Squares of ``side`` weights a side."""

    side: int = 4

    def members(self, name: str, weight: Tensor) -> Tensor:
        matrix = weight.flatten(1)
        rows, columns = (torch.arange(length) // self.side for length in matrix.shape)
        return (rows[:, None] * (int(columns.max()) + 1) + columns).reshape(weight.shape)
