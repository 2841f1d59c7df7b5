"""Allocations of the field, checked by hand and against other implementations: ERK, LAMP, N:M, a share per output."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.ao.pruning.sparsifier.weight_norm_sparsifier import WeightNormSparsifier

from pruneexp.errors import UserError
from pruneexp.pruning.allocations.erk import Erk
from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.allocations.lamp import Lamp, lamp_scores
from pruneexp.pruning.allocations.n_of_m import NOfM
from pruneexp.pruning.allocations.per_output import PerOutput
from pruneexp.pruning.allowance import Prices
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.criteria.random import Random
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import best_of_each, count_for
from pruneexp.pruning.select import Allocation, Selection, select
from pruneexp.pruning.units.row import Row
from pruneexp.schema import Budget
from tests.contracts.allocations import SIZES, AllocationContract, cut, densities, every_plugin, weights_of


def priced(weights: Mapping[str, Tensor], budget: Budget, allocation: Allocation, prices: Prices) -> Selection:
    return select(weights, budget, Magnitude(), allocation, min_keep=0, prices=prices, generator=torch.Generator())


def by_rigl(sizes: Mapping[str, tuple[int, ...]], density: float) -> dict[str, float]:
    """The densities as the code of Evci et al. finds them: solve, make the densest layer dense, and solve again."""
    dense: set[str] = set()
    ratios = {name: sum(size) / math.prod(size) for name, size in sizes.items()}
    while len(dense) < len(sizes):
        left = density * sum(map(math.prod, sizes.values())) - sum(math.prod(sizes[name]) for name in dense)
        factor = left / sum(ratios[name] * math.prod(sizes[name]) for name in sizes if name not in dense)
        highest = max(ratios[name] for name in sizes if name not in dense)
        if highest * factor <= 1:
            return {name: 1.0 if name in dense else factor * ratios[name] for name in sizes}
        dense |= {name for name in sizes if ratios[name] == highest}
    return dict.fromkeys(sizes, 1.0)


class TestErk(AllocationContract):
    def allocation(self) -> Erk:
        return Erk()

    def count(self, density: float) -> int:
        whole = sum(math.prod(size) for size in SIZES.values())
        shares = by_rigl(SIZES, count_for(density, whole) / whole)
        return sum(count_for(shares[name], math.prod(size)) for name, size in SIZES.items())

    def test_worked_by_hand(self) -> None:
        weights = {"conv": torch.randn(20, 10, 5, 5), "fc": torch.randn(50, 400)}
        # Ratios 40 / 5,000 and 450 / 20,000: the sums of sizes, 490, share 2,450 weights, a fifth for each place.
        kept = cut(Erk(), weights, Budget("density", 2450 / 25000)).masks.kept_per_layer
        assert kept == {"conv": 200, "fc": 2250}

    def test_a_layer_that_would_exceed_one_is_dense(self) -> None:
        weights = {"small": torch.randn(2, 2), "large": torch.randn(20, 30)}
        # The small layer would have 4 / 54 of 302 weights, and has 4: the rest is the large one's.
        assert cut(Erk(), weights, Budget("density", 302 / 604)).masks.kept_per_layer == {"small": 4, "large": 298}

    @given(sizes=st.lists(st.tuples(*[st.integers(1, 12)] * 4), min_size=1, max_size=5), density=st.floats(0.02, 0.99))
    @settings(max_examples=50, deadline=None)
    def test_as_the_code_of_its_authors(self, sizes: list[tuple[int, ...]], density: float) -> None:
        named = {str(place): size for place, size in enumerate(sizes)}
        kept = cut(Erk(), {name: torch.randn(size) for name, size in named.items()}, Budget("density", density)).masks
        whole = kept.total
        expected = by_rigl(named, count_for(density, whole) / whole)
        for name, size in named.items():
            assert kept.kept_per_layer[name] == pytest.approx(expected[name] * math.prod(size), abs=0.5 + 1e-6)

    def test_flop_are_spent_as_the_proportions_say(self) -> None:
        weights = {"conv": torch.randn(20, 10, 5, 5), "fc": torch.randn(50, 400)}
        prices = Prices({"conv": 10.0, "fc": 1.0}, 30.0, 70030.0)
        kept = priced(weights, Budget("flop", 4280 / 70030), Erk(), prices).masks.kept_per_layer
        assert kept == {"conv": 200, "fc": 2250}  # 4,280 = 30 + 10 * 200 + 2,250

    def test_units_have_no_such_density(self) -> None:
        with pytest.raises(UserError, match=r"shapes of weights, and criterion.unit is a row: leave"):
            select({"fc": torch.eye(4)}, Budget("units", 0.5), Magnitude(), Erk(), unit=Row(),
                   generator=torch.Generator())  # fmt: skip


class TestLamp(AllocationContract):
    def allocation(self) -> Lamp:
        return Lamp()

    def test_worked_by_hand(self) -> None:
        weight = torch.tensor([[3.0, -1.0], [2.0, 0.0]])
        found = lamp_scores(weight, torch.ones_like(weight, dtype=torch.bool))
        assert found.flatten().tolist() == pytest.approx([1, 1 / 14, 4 / 13, 0])
        weights = {"a": weight, "b": torch.tensor([[1.0, 1.0]])}  # whose scores are 1 and 1 / 2
        assert cut(Lamp(), weights, Budget("density", 0.5)).masks.kept_per_layer == {"a": 1, "b": 2}
        assert cut(Lamp(), weights, Budget("density", 4 / 6)).masks.kept_per_layer == {"a": 2, "b": 2}

    @given(seed=st.integers(0, 50))
    @settings(max_examples=30, deadline=None)
    def test_the_closed_form(self, seed: int) -> None:
        weight = torch.randn(5, 7, generator=torch.Generator().manual_seed(seed))
        alive = torch.rand(5, 7, generator=torch.Generator().manual_seed(seed + 1)) < 0.7
        squares = weight.double().square()
        for found, square, living in zip(
            lamp_scores(weight, alive).flatten(), squares.flatten(), alive.flatten(), strict=True
        ):
            no_smaller = squares[alive & (squares >= square)].sum()
            assert float(found) == (pytest.approx(float(square / no_smaller)) if living else 0)

    @given(density=densities, exponents=st.tuples(*[st.integers(-8, 8)] * 3))
    @every_plugin
    def test_no_layer_is_emptied_nor_does_its_scale_matter(
        self, density: float, exponents: tuple[int, int, int]
    ) -> None:
        weights = weights_of(3)
        scaled = {n: w * 2.0**e for (n, w), e in zip(weights.items(), exponents, strict=True)}
        masks = cut(Lamp(), weights, Budget("density", density)).masks
        assert cut(Lamp(), scaled, Budget("density", density)).masks == masks
        if masks.kept >= len(SIZES):
            assert min(masks.kept_per_layer.values()) >= 1

    def test_counts_follow_magnitude_whatever_the_criterion(self) -> None:
        weights, budget = weights_of(1), Budget("density", 0.4)
        found = select(weights, budget, Random(), Lamp(), generator=torch.Generator().manual_seed(0)).masks
        assert found.kept_per_layer == cut(Lamp(), weights, budget).masks.kept_per_layer
        assert found != cut(Lamp(), weights, budget).masks


def pattern(weight: Tensor, n: int, m: int, survivors: MaskSet | None = None) -> Tensor:
    return cut(NOfM(n, m), {"fc": weight}, Budget("density", n / m), survivors).masks["fc"]


class TestNOfM:
    @given(
        n=st.integers(1, 4), more=st.integers(1, 4), rows=st.integers(1, 5), groups=st.integers(1, 4),
        places=st.integers(1, 3), seed=st.integers(0, 99), alive=st.floats(0.0, 1.0),
    )  # fmt: skip
    @settings(max_examples=60, deadline=None)
    def test_every_group_holds_at_most_n(
        self, n: int, more: int, rows: int, groups: int, places: int, seed: int, alive: float
    ) -> None:
        draws, m = torch.Generator().manual_seed(seed), n + more
        weight = torch.randn(rows, groups * m, places, generator=draws)
        allowed = torch.rand(weight.shape, generator=draws) < alive
        mask = pattern(weight, n, m, MaskSet({"fc": allowed}))
        kept, living = (each.movedim(1, -1).reshape(-1, m).sum(1) for each in (mask, allowed))
        assert torch.equal(kept, living.clamp(max=n))
        assert not (mask & ~allowed).any()

    @pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (1, 2), (3, 8)])
    def test_as_torch_sparsifies_a_linear_layer(self, n: int, m: int) -> None:
        layer = nn.Linear(24, 7, bias=False)
        nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(m))
        expected, network = pattern(layer.weight.detach().clone(), n, m), nn.Sequential(layer)
        sparsifier = WeightNormSparsifier(1.0, (1, m), m - n)
        sparsifier.prepare(network, [{"tensor_fqn": "0.weight"}])
        sparsifier.step()
        assert torch.equal(network.get_submodule("0.parametrizations.weight.0").get_buffer("mask").bool(), expected)

    def test_channels_are_the_inputs_of_a_convolution(self) -> None:
        weight = torch.tensor([4.0, 1, 3, 2, 1, 4, 2, 3]).view(1, 4, 2, 1)  # channels by places of the kernel
        assert pattern(weight, 2, 4).flatten().tolist() == [True, False, True, False, False, True, False, True]

    def test_the_lower_index_wins_a_tie(self) -> None:
        assert pattern(torch.ones(1, 8), 2, 4).tolist() == [[True, True, False, False] * 2]

    def test_a_density_of_one_keeps_everything(self) -> None:
        assert cut(NOfM(), {"fc": torch.randn(2, 6)}, Budget("density", 1.0)).masks.density == 1

    @pytest.mark.parametrize(
        ("budget", "shape", "sentence"),
        [
            (Budget("density", 0.3), (2, 4), r"density 0.3 asked for, but 2 of every 4.*'curve.densities=\[0.5\]'"),
            (Budget("units", 0.5), (2, 4), r"units 0.5 asked for, but 2 of every 4 weights"),
            (
                Budget("density", 0.5),
                (2, 6),
                r"no multiple of .*m=4: fc has 6; .*exclude=\[fc\]",
            ),
        ],
    )
    def test_what_does_not_fit_is_said(self, budget: Budget, shape: tuple[int, int], sentence: str) -> None:
        with pytest.raises(UserError, match=sentence):
            cut(NOfM(), {"fc": torch.randn(shape)}, budget)

    @pytest.mark.parametrize(("n", "m"), [(0, 4), (4, 4), (5, 4), (2.0, 4)])
    def test_wrong_numbers_are_refused(self, n: int, m: int) -> None:
        with pytest.raises(UserError, match=r"allowed are whole numbers with 1 <= n < m"):
            NOfM(n, m)


class TestPerOutput(AllocationContract):
    def allocation(self) -> PerOutput:
        return PerOutput()

    def count(self, density: float) -> int:
        return sum(size[0] * count_for(density, math.prod(size[1:])) for size in SIZES.values())

    @given(density=densities)
    @every_plugin
    def test_count_is_exact_when_all_weights_are_equal(self, density: float) -> None:
        weights = {name: torch.ones(shape) for name, shape in SIZES.items()}
        masks = cut(self.allocation(), weights, Budget("density", density)).masks
        assert masks.kept == self.count(density)
        for mask in masks.values():  # in each row the lower input wins a tie, in the order of the choice
            for kept in mask.movedim(1, -1).reshape(len(mask), -1):
                assert bool(kept[: int(kept.sum())].all())

    def test_every_output_keeps_its_share(self) -> None:
        weight = torch.tensor([[9.0, 8, 7, 6], [1, 4, 3, 2]])
        kept = cut(PerOutput(), {"fc": weight}, Budget("density", 0.5)).masks["fc"]
        assert kept.tolist() == [[True, True, False, False], [False, True, True, False]]


def test_scores_that_are_no_whole_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="6 scores are no groups of 4"):
        best_of_each(torch.ones(2, 3), torch.ones(2, 3, dtype=torch.bool), 4, 2)


class TestProportions:
    @pytest.mark.parametrize("unit", [None, Row()])
    def test_a_control_has_the_counts_of_what_it_is_a_control_of(self, unit: Row | None) -> None:
        weights, budget = weights_of(2), Budget("units", 0.4)

        def chosen(score: Magnitude | Random, proportions: Magnitude | None) -> MaskSet:
            draws = torch.Generator().manual_seed(5)
            return select(weights, budget, score, GlobalThreshold(), unit=unit, proportions=proportions,
                          min_keep=0, generator=draws).masks  # fmt: skip

        magnitude, control, plain = (
            chosen(Magnitude(), None), chosen(Random(), Magnitude()), chosen(Random(), None)
        )  # fmt: skip
        assert control.kept_per_layer == magnitude.kept_per_layer != plain.kept_per_layer
        assert control != magnitude
