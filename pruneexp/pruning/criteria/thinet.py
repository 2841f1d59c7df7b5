"""ThiNet: channels that the next layer misses least, chosen greedily, and the rest rescaled (Luo et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from pruneexp.pruning.reconstruction import (
    LayerSamples,
    SampledCriterion,
    contributions_gram,
    contributions_to_outputs,
    solved,
)


@dataclass(frozen=True)
class ThiNet(SampledCriterion):
    """Remove one channel after the other: that which, with those before it, changes the outputs least.

    What is compared is the sum of squares of what the removed channels add to the outputs of the layer that reads them,
    over all of its outputs at sampled positions (the paper draws one output for each); of several such layers, their
    sum. Then each kept channel is scaled by a factor of its own in each layer, by least squares.
    """

    targets: ClassVar[Literal["original", "present"]] = "present"

    def chosen(self, readings: Sequence[LayerSamples], candidates: Tensor, count: int) -> Tensor:
        gram = torch.stack([contributions_gram(reading, len(candidates)) for reading in readings]).sum(0)
        kept, removed = candidates.clone(), torch.zeros(len(candidates), dtype=gram.dtype)
        for _ in range(int(candidates.sum()) - count):
            added = gram.diagonal() + 2 * gram @ removed  # to the error of what is removed already
            worst = int(added.masked_fill(~kept, torch.inf).argmin())
            kept[worst], removed[worst] = False, 1.0
        return kept

    def refitted(self, reading: LayerSamples, kept: Tensor) -> Tensor:
        columns, left = reading.left(kept)
        gram = contributions_gram(left, len(kept))
        scale = 1 + solved(gram, contributions_to_outputs(left, len(kept)) - gram.sum(1))
        weight = torch.zeros_like(reading.weight)
        weight[:, columns] = left.weight * torch.where(left.channels < 0, 1.0, scale[left.channels])
        return weight
