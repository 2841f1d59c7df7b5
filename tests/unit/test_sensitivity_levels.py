"""Masks of all levels at once equal those that ``select`` chooses one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pruneexp.errors import UserError
from pruneexp.pruning.allocations.layer_std import LayerStd
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.criteria.random import Random
from pruneexp.pruning.select import Allocation, Criterion, select
from pruneexp.schema import Budget, BudgetKind
from pruneexp.sensitivity.levels import Levels, keeping, levels, surviving

VALUES = st.sampled_from([-2.0, -0.5, -0.0, 0.0, 0.25, 0.5, 1.0, 1.5])
WEIGHTS = st.lists(VALUES, min_size=1, max_size=24)
ALLOCATIONS: dict[str, Allocation] = {"density": PerLayer(), "quality": LayerStd()}


def budgets(kind: BudgetKind, values: list[float]) -> list[Budget]:
    return [Budget(kind, value) for value in sorted(values, reverse=kind == "density")]


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def found(weights: Mapping[str, Tensor], asked: list[Budget], criterion: Criterion | None = None) -> Levels:
    return levels(weights, asked, criterion or Magnitude(), draws())


def agrees_with_select(weights: Mapping[str, Tensor], asked: list[Budget], criterion: Criterion) -> None:
    ours = found(weights, asked, criterion)
    for level, budget in enumerate(asked):
        masks = select(weights, budget, criterion, ALLOCATIONS[budget.kind], generator=draws()).masks
        assert all(torch.equal(s > level, masks[name]) for name, s in zip(weights, ours.survives, strict=True))
        assert ours.kept[level] == masks.kept


@given(values=WEIGHTS, asked=st.lists(st.floats(0.01, 1), min_size=1, max_size=6))
@settings(max_examples=60)
def test_densities_with_ties(values: list[float], asked: list[float]) -> None:
    agrees_with_select({"fc": torch.tensor(values)}, budgets("density", asked), Magnitude())


@given(values=WEIGHTS, asked=st.lists(st.floats(0, 4), min_size=1, max_size=6))
@settings(max_examples=60)
def test_qualities_with_ties(values: list[float], asked: list[float]) -> None:
    agrees_with_select({"fc": torch.tensor(values)}, budgets("quality", asked), Magnitude())


@pytest.mark.parametrize(("kind", "asked"), [("density", [0.9, 0.31, 0.3, 0.01]), ("quality", [0.0, 0.4, 1.0, 9.0])])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_layers_together(kind: BudgetKind, asked: list[float], dtype: torch.dtype) -> None:
    conv, linear = torch.randn(7, 5, 3, 3, generator=draws()), torch.randn(11, 13, generator=draws())
    weights = {"conv": conv.to(memory_format=torch.channels_last).to(dtype), "fc": linear.to(dtype)}
    for criterion in (Magnitude(), Random()):
        agrees_with_select(weights, budgets(kind, asked), criterion)


def test_survivors_by_hand() -> None:
    scores = torch.tensor([[3.0, 1.0, 2.0], [1.0, 5.0, 1.0]])
    assert surviving(scores, [6, 5, 4, 1]).tolist() == [[3, 3, 3], [2, 4, 1]]


def test_equal_weights_survive_by_their_index() -> None:
    assert surviving(torch.ones(4), [3, 3, 1]).tolist() == [3, 2, 2, 0]


def test_many_levels_need_a_larger_integer() -> None:
    few, many = (surviving(torch.arange(4.0), [2] * count) for count in (255, 256))
    assert few.tolist() == [0, 0, 255, 255]
    assert many.tolist() == [0, 0, 256, 256]
    assert many.dtype is torch.int16


def test_the_best_weight_is_always_kept() -> None:
    weight = torch.tensor([0.1, -0.3, 0.2])
    assert keeping(weight, [Budget("quality", 0.9), Budget("quality", 99.0)]) == [2, 1]  # std 0.216
    assert found({"fc": weight}, [Budget("density", 0.01)]).survives[0].tolist() == [0, 1, 0]


def test_totals() -> None:
    pair = found({"a": torch.ones(4), "b": torch.ones(6)}, budgets("density", [1.0, 0.5]))
    assert (pair.total, pair.kept) == (10, (10, 5))


class TestRefusals:
    @pytest.mark.parametrize("density", [0.0, 1.5])
    def test_density_out_of_range(self, density: float) -> None:
        with pytest.raises(UserError, match=r"Density .* out of range.*\(0, 1\]"):
            found({"fc": torch.ones(3)}, [Budget("density", density)])

    @pytest.mark.parametrize("quality", [-0.1, math.inf, math.nan])
    def test_quality_out_of_range(self, quality: float) -> None:
        with pytest.raises(UserError, match=r"Quality .* out of range"):
            found({"fc": torch.ones(3)}, [Budget("quality", quality)])

    def test_diverged_weights(self) -> None:
        with pytest.raises(UserError, match="weights of fc are not numbers"):
            found({"fc": torch.tensor([1.0, math.nan, 2.0])}, [Budget("density", 0.5)])

    def test_no_budgets(self) -> None:
        with pytest.raises(ValueError, match="0 budgets"):
            found({"fc": torch.ones(3)}, [])

    def test_two_kinds(self) -> None:
        with pytest.raises(ValueError, match="one kind"):
            found({"fc": torch.ones(3)}, [Budget("density", 0.5), Budget("quality", 0.5)])

    def test_out_of_order(self) -> None:
        with pytest.raises(ValueError, match="mildest first"):
            found({"fc": torch.ones(3)}, [Budget("density", 0.5), Budget("density", 0.6)])

    def test_scores_that_do_not_fit(self) -> None:
        with pytest.raises(ValueError, match="one score per weight"):
            found({"fc": torch.ones(3)}, [Budget("density", 0.5)], lambda weights, generator: {"fc": torch.ones(2)})
