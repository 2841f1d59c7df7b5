"""Allocations: the contract, and what each promises beyond it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pruneexp.errors import UserError
from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.allocations.layer_std import LayerStd
from pruneexp.pruning.allocations.nonzero import Nonzero
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.allocations.predefined import Predefined
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import count_for
from pruneexp.pruning.select import Allocation
from pruneexp.schema import Budget
from tests.contracts.allocations import SIZES, AllocationContract, cut, weights_of, within


class TestGlobalThreshold(AllocationContract):
    def allocation(self) -> GlobalThreshold:
        return GlobalThreshold()

    def test_threshold_is_common(self) -> None:
        weights = {"a": torch.tensor([5.0, 1.0]), "b": torch.tensor([4.0, 3.0, 2.0, 0.5])}
        masks = cut(self.allocation(), weights, Budget("density", 0.5)).masks
        assert [mask.tolist() for mask in masks.values()] == [[True, False], [True, True, False, False]]

    def test_between_layers_the_first_wins_a_tie(self) -> None:
        weights = {"a": torch.ones(3), "b": torch.ones(3)}
        assert cut(self.allocation(), weights, Budget("density", 4 / 6)).masks.kept_per_layer == {"a": 3, "b": 1}


class TestNonzero(AllocationContract):
    def allocation(self) -> Nonzero:
        return Nonzero()

    def test_the_budget_is_what_stays_at_most(self) -> None:
        weights = {"a": torch.tensor([5.0, 0.0, 1.0]), "b": torch.tensor([0.0, 0.0, 2.0])}
        kept = [
            cut(self.allocation(), weights, Budget("density", share)).masks.kept_per_layer for share in (1.0, 1 / 3)
        ]
        assert kept == [{"a": 2, "b": 1}, {"a": 1, "b": 1}]


class TestPerLayer(AllocationContract):
    def allocation(self) -> PerLayer:
        return PerLayer()

    def count(self, density: float) -> int:
        return sum(count_for(density, torch.Size(shape).numel()) for shape in SIZES.values())

    def test_every_layer_has_the_density(self) -> None:
        weights = {"a": torch.randn(10, 10), "b": torch.randn(20)}
        assert cut(self.allocation(), weights, Budget("density", 0.3)).masks.kept_per_layer == {"a": 30, "b": 6}

    def test_exempt_layers_stay_dense(self) -> None:
        kept = cut(PerLayer(exempt=["b"]), weights_of(0), Budget("density", 0.25)).masks.kept_per_layer
        assert kept == {"a": 5, "b": 36, "c": count_for(0.25, 9)}

    def test_scale_is_per_layer_and_no_layer_keeps_more_than_all(self) -> None:
        weights = {"a": torch.randn(10, 10), "b": torch.randn(20), "c": torch.randn(50)}
        kept = cut(PerLayer(scale={"a": 0.5, "b": 4.0}), weights, Budget("density", 0.3)).masks.kept_per_layer
        assert kept == {"a": 15, "b": 20, "c": 15}

    def test_an_exempt_layer_is_not_scaled(self) -> None:
        kept = cut(PerLayer(exempt=["b"], scale={"b": 0.1}), weights_of(0), Budget("density", 0.25)).masks
        assert kept.kept_per_layer["b"] == 36

    @given(
        levels=st.tuples(*[st.floats(0.02, 1.0)] * 3),
        sizes=st.tuples(*[st.integers(1, 500)] * 3),
    )
    @settings(max_examples=30, deadline=None)
    def test_a_density_for_every_layer_is_their_mean_and_its_proportions(
        self, levels: tuple[float, float, float], sizes: tuple[int, int, int]
    ) -> None:
        weights = {name: torch.randn(size) for name, size in zip("abc", sizes, strict=True)}
        overall = sum(level * size for level, size in zip(levels, sizes, strict=True)) / sum(sizes)
        scale = {name: level / overall for name, level in zip("abc", levels, strict=True)}
        kept = cut(PerLayer(scale=scale), weights, Budget("density", overall)).masks.kept_per_layer
        for name, level, size in zip("abc", levels, sizes, strict=True):
            assert kept[name] == pytest.approx(level * size, abs=0.5 + 1e-6)

    @pytest.mark.parametrize("scale", [0.0, -0.5, math.inf, math.nan])
    def test_scale_out_of_range_is_refused(self, scale: float) -> None:
        with pytest.raises(ValueError, match="scale of layer 'a' is"):
            PerLayer(scale={"a": scale})

    def test_unknown_scale_is_refused(self) -> None:
        with pytest.raises(UserError, match="scale names unknown layers x; layers are a, b, c"):
            cut(PerLayer(scale={"x": 1.0}), weights_of(0), Budget("density", 0.5))

    def test_unknown_exempt_layer_is_refused(self) -> None:
        with pytest.raises(UserError, match="exempt names unknown layers fc9; layers are a, b, c"):
            cut(PerLayer(exempt=["fc9"]), weights_of(0), Budget("density", 0.5))


class TestLayerStd(AllocationContract):
    def allocation(self) -> LayerStd:
        return LayerStd()

    def test_quality_is_in_standard_deviations(self) -> None:
        weight = torch.tensor([-3.0, -1.0, 1.0, 3.0])  # population deviation sqrt(5) = 2.236
        found = cut(LayerStd(), {"fc": weight}, Budget("quality", 1.0))
        assert found.masks["fc"].tolist() == [True, False, False, True]
        assert found.qualities == {"fc": 1.0}

    def test_deviation_is_of_the_survivors(self) -> None:
        weight = torch.tensor([-3.0, 0.0, 0.0, 3.0, -1.0, 1.0])
        survivors = MaskSet({"fc": torch.tensor([False, False, False, False, True, True])})  # their deviation is 1
        kept = cut(LayerStd(), {"fc": weight}, Budget("quality", 1.0), survivors).masks["fc"]
        assert kept.tolist() == [False, False, False, False, True, True]

    def test_deviation_is_around_the_mean(self) -> None:
        weight = torch.tensor([10.0, 11.0, 12.0])  # deviation 0.816
        assert cut(LayerStd(), {"fc": weight}, Budget("quality", 13.0)).masks["fc"].tolist() == [False, True, True]

    def test_scale_is_per_layer(self) -> None:
        weights = {"a": torch.tensor([-3.0, -1.0, 1.0, 3.0]), "b": torch.tensor([-3.0, -1.0, 1.0, 3.0])}
        found = cut(LayerStd(scale={"b": 0.25}), weights, Budget("quality", 1.0))
        assert found.masks.kept_per_layer == {"a": 2, "b": 4}
        assert found.qualities == {"a": 1.0, "b": 0.25}

    def test_unknown_scale_is_refused(self) -> None:
        with pytest.raises(UserError, match="scale names unknown layers x; layers are a, b, c"):
            cut(LayerStd(scale={"x": 1.0}), weights_of(0), Budget("quality", 1.0))

    @pytest.mark.parametrize("scale", [-0.5, math.inf, math.nan])
    def test_scale_out_of_range_is_refused(self, scale: float) -> None:
        with pytest.raises(ValueError, match="scale of layer 'a' is"):
            LayerStd(scale={"a": scale})

    def test_density_that_scale_zero_forbids_is_refused(self) -> None:
        with pytest.raises(UserError, match=r"Density 0\.1 cannot be reached: layers with scale 0 \(b\)"):
            cut(LayerStd(scale={"b": 0.0}), weights_of(0), Budget("density", 0.1))

    @given(density=st.floats(0.02, 0.98), seed=st.integers(0, 30))
    @settings(max_examples=30, deadline=None)
    def test_the_solved_quality_gives_the_masks_again(self, density: float, seed: int) -> None:
        weights, allocation = weights_of(seed), LayerStd(scale={"b": 0.5})
        solved = cut(allocation, weights, Budget("density", density))
        if solved.masks.kept == 0:
            return
        quality = solved.qualities["a"]
        # A hair below the last weight kept, for its ratio was rounded.
        assert cut(allocation, weights, Budget("quality", quality * (1 - 1e-6))).masks == solved.masks

    @given(density=st.floats(0.05, 1.0), exponents=st.tuples(*[st.integers(-8, 8)] * 3), seed=st.integers(0, 30))
    @settings(max_examples=30, deadline=None)
    def test_masks_do_not_depend_on_the_scale_of_any_layer(
        self, density: float, exponents: tuple[int, int, int], seed: int
    ) -> None:
        weights = weights_of(seed)
        scaled = {n: w * 2.0**e for (n, w), e in zip(weights.items(), exponents, strict=True)}
        budget = Budget("density", density)
        assert cut(LayerStd(), weights, budget).masks == cut(LayerStd(), scaled, budget).masks

    @given(one=st.floats(0, 3), other=st.floats(0, 3), seed=st.integers(0, 30))
    @settings(max_examples=30, deadline=None)
    def test_larger_quality_is_a_subset(self, one: float, other: float, seed: int) -> None:
        low, high = sorted((one, other))
        weights: dict[str, Tensor] = weights_of(seed)
        few = cut(LayerStd(), weights, Budget("quality", high)).masks
        assert within(few, cut(LayerStd(), weights, Budget("quality", low)).masks)


class TestPredefined:
    """Not the contract: its target is the only budget."""

    weights: Mapping[str, Tensor] = {"a.conv1": torch.randn(16), "b.conv1": torch.randn(64), "b.conv2": torch.randn(20)}

    def kept(self, keep: Mapping[str, float], share: float, survivors: MaskSet | None = None) -> dict[str, int]:
        return dict(cut(Predefined(keep), dict(self.weights), Budget("units", share), survivors).masks.kept_per_layer)

    def test_each_layer_keeps_its_share_rounded_down_and_others_all(self) -> None:
        kept = self.kept({"*.conv1": 0.9}, 0.91)  # 14.4 of 16, 57.6 of 64, 20 of 20
        assert kept == {"a.conv1": 14, "b.conv1": 57, "b.conv2": 20}

    def test_a_product_that_floats_miss_is_not_rounded_down(self) -> None:
        weights = {"a": torch.randn(100)}  # 0.57 * 100 is 56.99999999999999
        assert cut(Predefined({"a": 0.57}), weights, Budget("units", 0.57)).masks.kept_per_layer == {"a": 57}

    def test_the_first_pattern_counts(self) -> None:
        assert self.kept({"b.conv1": 0.5, "*.conv1": 0.75}, 0.64) == {"a.conv1": 12, "b.conv1": 32, "b.conv2": 20}

    def test_only_survivors_stay(self) -> None:
        survivors = MaskSet({name: torch.arange(len(weight)) < 15 for name, weight in self.weights.items()})
        assert self.kept({"*.conv1": 0.9}, 0.91, survivors) == {"a.conv1": 14, "b.conv1": 15, "b.conv2": 15}

    def test_one_is_the_whole_network(self) -> None:
        assert self.kept({"*.conv1": 0.5}, 1.0) == {"a.conv1": 16, "b.conv1": 64, "b.conv2": 20}

    @pytest.mark.parametrize("budget", [Budget("units", 0.5), Budget("density", 0.6), Budget("flop", 0.6)])
    def test_another_budget_is_refused_with_the_one_that_fits(self, budget: Budget) -> None:
        with pytest.raises(UserError, match=r"keep leaves 0\.6 of all units, each a weight: 'curve.units=\[0.6\]'"):
            Predefined({"*.conv1": 0.5}).check(self.weights, [budget], "weight")

    def test_what_is_no_share_and_what_matches_nothing_is_refused(self) -> None:
        with pytest.raises(UserError, match=r"keep: a.conv1 is 0, allowed is a share in \(0, 1\]"):
            Predefined({"a.conv1": 0})
        with pytest.raises(UserError, match=r"keep: c\.\* matches no layer whose units can go; those are a.conv1, b"):
            self.kept({"c.*": 0.5}, 1.0)


@pytest.mark.parametrize("allocation", [GlobalThreshold(), PerLayer()])
def test_only_layer_std_takes_qualities(allocation: Allocation) -> None:
    with pytest.raises(UserError, match="only the layer_std allocation takes qualities"):
        cut(allocation, weights_of(0), Budget("quality", 1.0))
