"""Selection: exact counts, the same masks as torch.nn.utils.prune, survivors, collapse, and refusals."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import prune

from pruneexp.errors import UserError
from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.criteria.random import Random
from pruneexp.pruning.layers import prunable, weights
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import best, count_for, kth_largest
from pruneexp.pruning.select import Allocation, Criterion, Selection, select
from pruneexp.schema import Budget


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 5, 3), nn.Flatten(), nn.Linear(45, 7), nn.Linear(7, 3))


def chosen(
    weights: Mapping[str, Tensor],
    budget: Budget,
    criterion: Criterion | None = None,
    allocation: Allocation | None = None,
    survivors: MaskSet | None = None,
    min_keep: int = 1,
) -> Selection:
    return select(
        weights,
        budget,
        criterion or Magnitude(),
        allocation or GlobalThreshold(),
        survivors=survivors,
        min_keep=min_keep,
        generator=torch.Generator().manual_seed(0),
    )


def torch_mask(layer: nn.Module) -> Tensor:
    return layer.get_buffer("weight_mask").bool()


class TestAgainstTorch:
    @given(density=st.floats(0.05, 0.99), seed=st.integers(0, 1000))
    @settings(max_examples=25, deadline=None)
    def test_global_magnitude(self, density: float, seed: int) -> None:
        net = network(seed)
        ours = chosen(weights(net), Budget("density", density), min_keep=0).masks
        layers = {name: net.get_submodule(name) for name in prunable(net)}
        prune.global_unstructured(
            [(layer, "weight") for layer in layers.values()], prune.L1Unstructured, amount=1 - density
        )
        assert ours == MaskSet({name: torch_mask(layer) for name, layer in layers.items()})

    @given(density=st.floats(0.05, 0.99), seed=st.integers(0, 1000))
    @settings(max_examples=25, deadline=None)
    def test_layer_magnitude(self, density: float, seed: int) -> None:
        net = network(seed)
        ours = chosen(weights(net), Budget("density", density), allocation=PerLayer(), min_keep=0).masks
        for name in prunable(net):
            layer = net.get_submodule(name)
            prune.l1_unstructured(layer, "weight", amount=1 - density)
            assert torch.equal(ours[name], torch_mask(layer))


class TestCounts:
    @pytest.mark.parametrize(("density", "kept"), [(1.0, 10), (0.5, 5), (0.25, 2), (0.35, 4), (0.01, 0)])
    def test_rounds_the_pruned_half_to_even(self, density: float, kept: int) -> None:
        assert count_for(density, 10) == kept

    @given(
        values=st.lists(st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 2.0, math.inf]), min_size=1, max_size=30),
        data=st.data(),
    )
    @settings(max_examples=100, deadline=None)
    def test_best_equals_a_stable_sort(self, values: list[float], data: st.DataObject) -> None:
        allowed = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
        count = data.draw(st.integers(0, len(values)))
        order = sorted((i for i, ok in enumerate(allowed) if ok), key=lambda i: (-values[i], i))
        mask = best(torch.tensor(values), torch.tensor(allowed), count)
        assert mask.nonzero().flatten().tolist() == sorted(order[:count])

    @given(values=st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=30), data=st.data())
    @settings(max_examples=50, deadline=None)
    def test_kth_largest(self, values: list[float], data: st.DataObject) -> None:
        rank = data.draw(st.integers(1, len(values)))
        assert float(kth_largest(torch.tensor(values), rank)) == sorted(values, reverse=True)[rank - 1]

    def test_scores_keep_their_memory_order(self) -> None:
        weight = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
        plain = chosen({"c": weight.contiguous()}, Budget("density", 0.4)).masks
        assert chosen({"c": weight}, Budget("density", 0.4)).masks == plain


class TestSurvivors:
    def test_density_stays_relative_to_all_weights(self) -> None:
        found = {"fc": torch.arange(1.0, 11.0)}
        first = chosen(found, Budget("density", 0.5)).masks
        second = chosen(found, Budget("density", 0.2), survivors=first).masks
        assert second["fc"].nonzero().flatten().tolist() == [8, 9]

    def test_a_larger_density_brings_nothing_back(self) -> None:
        found = {"fc": torch.arange(1.0, 11.0)}
        first = chosen(found, Budget("density", 0.3), criterion=Random()).masks
        assert chosen(found, Budget("density", 0.9), survivors=first).masks == first

    def test_a_wider_set_of_survivors_is_narrowed(self) -> None:
        wide = MaskSet({"other": torch.ones(2, dtype=torch.bool), "fc": torch.tensor([True, False, True])})
        masks = chosen({"fc": torch.ones(3)}, Budget("density", 1.0), survivors=wide).masks
        assert masks == wide.restrict(["fc"])

    def test_survivors_of_other_shape_are_refused(self) -> None:
        wrong = MaskSet({"fc": torch.ones(2, dtype=torch.bool)})
        with pytest.raises(ValueError, match=r"no mask in the shape of layer 'fc': \(3,\)"):
            chosen({"fc": torch.ones(3)}, Budget("density", 0.5), survivors=wrong)


class TestCollapse:
    def test_a_layer_keeps_its_best_weight(self) -> None:
        found = {"big": torch.full((50,), 9.0), "small": torch.tensor([0.1, 0.3, 0.2])}
        selection = chosen(found, Budget("density", 0.5))
        assert selection.collapsed == ("small",)
        assert selection.masks["small"].tolist() == [False, True, False]

    def test_more_may_be_kept(self) -> None:
        found = {"big": torch.full((50,), 9.0), "small": torch.tensor([0.1, 0.3, 0.2])}
        assert chosen(found, Budget("density", 0.5), min_keep=2).masks.kept_per_layer["small"] == 2
        assert chosen(found, Budget("density", 0.5), min_keep=0).masks.kept_per_layer["small"] == 0

    def test_nothing_is_revived_to_save_a_layer(self) -> None:
        survivors = MaskSet({"fc": torch.tensor([False, False, True])})
        selection = chosen({"fc": torch.ones(3)}, Budget("density", 0.01), survivors=survivors, min_keep=2)
        assert selection.masks == survivors

    def test_no_collapse_no_mention(self) -> None:
        assert chosen(weights(network(0)), Budget("density", 0.5)).collapsed == ()


class NothingFor:
    """A criterion with a bug."""

    def __init__(self, scores: dict[str, Tensor]) -> None:
        self.scores = scores

    def __call__(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        return self.scores


class TestRefusals:
    @pytest.mark.parametrize("density", [0.0, -0.1, 1.5, math.nan])
    def test_density_out_of_range(self, density: float) -> None:
        with pytest.raises(UserError, match=r"Density .* out of range.*\(0, 1\]"):
            chosen({"fc": torch.ones(3)}, Budget("density", density))

    @pytest.mark.parametrize("quality", [-0.1, math.inf, math.nan])
    def test_quality_out_of_range(self, quality: float) -> None:
        with pytest.raises(UserError, match=r"Quality .* out of range"):
            chosen({"fc": torch.ones(3)}, Budget("quality", quality))

    def test_diverged_weights(self) -> None:
        with pytest.raises(UserError, match="weights of fc are not numbers"):
            chosen({"fc": torch.tensor([1.0, math.nan])}, Budget("density", 0.5))

    def test_negative_min_keep(self) -> None:
        with pytest.raises(ValueError, match="min_keep is -1"):
            chosen({"fc": torch.ones(3)}, Budget("density", 0.5), min_keep=-1)

    @pytest.mark.parametrize("scores", [{}, {"fc": torch.ones(2)}, {"fc": torch.ones(3), "x": torch.ones(1)}])
    def test_scores_that_do_not_fit(self, scores: dict[str, Tensor]) -> None:
        with pytest.raises(ValueError, match="one score per weight"):
            chosen({"fc": torch.ones(3)}, Budget("density", 0.5), criterion=NothingFor(scores))
