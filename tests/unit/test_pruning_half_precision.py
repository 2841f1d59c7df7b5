"""Weights of half precision are cut where float64 would cut them: no threshold, ratio or deviation is rounded."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pruneexp.pruning.allocations.layer_std import LayerStd
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.select import select
from pruneexp.schema import Budget
from pruneexp.sensitivity.levels import keeping

HALF = (torch.bfloat16, torch.float16)
QUALITIES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


def weights_in(dtype: torch.dtype) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {
        name: (scale * torch.randn(size, generator=generator)).to(dtype)
        for name, scale, size in (("fc1", 0.1, (90, 70)), ("fc2", 0.37, (40, 50)))
    }


def cut(weights: dict[str, Tensor], budget: Budget, allocation: LayerStd) -> MaskSet:
    return select(
        weights,
        budget,
        Magnitude(),
        allocation,
        survivors=None,
        min_keep=1,
        generator=torch.Generator(),
    ).masks


def at_least(weight: Tensor, quality: float) -> int:
    """Counted in float64, in which every number of half precision is exact."""
    exact = weight.double()
    return int((exact.abs() >= quality * exact.std(correction=0)).count_nonzero())


@pytest.mark.parametrize("dtype", HALF)
def test_a_quality_keeps_what_is_at_least_so_many_deviations(dtype: torch.dtype) -> None:
    weights = weights_in(dtype)
    for quality in QUALITIES:
        kept = cut(weights, Budget("quality", quality), LayerStd()).kept_per_layer
        assert kept == {name: at_least(weight, quality) for name, weight in weights.items()}


@pytest.mark.parametrize("dtype", HALF)
def test_the_levels_of_a_scan_are_those_of_a_cut(dtype: torch.dtype) -> None:
    budgets = [Budget("quality", quality) for quality in QUALITIES]
    for weight in weights_in(dtype).values():
        assert keeping(weight, budgets) == [at_least(weight, quality) for quality in QUALITIES]


@pytest.mark.parametrize("dtype", HALF)
def test_a_density_cuts_all_layers_at_the_same_number_of_deviations(dtype: torch.dtype) -> None:
    weights = weights_in(dtype)
    ratios = [weight.double().abs() / weight.double().std(correction=0) for weight in weights.values()]
    ordered = torch.cat([ratio.flatten() for ratio in ratios]).sort(descending=True).values
    for count in range(100, len(ordered), 100):
        kept = cut(weights, Budget("density", count / len(ordered)), LayerStd()).kept_per_layer
        assert sum(kept.values()) == count
        for ratio, number in zip(ratios, kept.values(), strict=True):
            more, enough = ratio > ordered[count - 1] * (1 + 1e-6), ratio >= ordered[count - 1] * (1 - 1e-6)
            assert int(more.count_nonzero()) <= number <= int(enough.count_nonzero())
