"""Units and budgets in other measures: what is kept as a whole, and how much fits."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pruneexp.cost.network import NetworkCosts
from pruneexp.errors import Infeasible, UserError
from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.allocations.layer_std import LayerStd
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.allowance import Prices
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.select import Allocation, Selection, select
from pruneexp.pruning.units.block import Block
from pruneexp.pruning.units.row import Row
from pruneexp.pruning.units.unit import Unit
from pruneexp.schema import MEASURES, Budget, BudgetKind, nothing


def cut(
    weights: Mapping[str, Tensor],
    budget: Budget,
    allocation: Allocation | None = None,
    *,
    unit: Unit | None = None,
    survivors: MaskSet | None = None,
    prices: Prices | None = None,
) -> Selection:
    return select(
        weights, budget, Magnitude(), allocation or GlobalThreshold(),
        unit=unit, survivors=survivors, min_keep=0, prices=prices, generator=torch.Generator(),
    )  # fmt: skip


class TestBlocks:
    def test_a_block_stays_or_goes_as_a_whole_by_its_mean_magnitude(self) -> None:
        weight = torch.tensor([[9.0, 0, 3, 3], [0, 0, 3, 3], [1, 1, 4, -4], [1, 1, 4, 4]])
        kept = cut({"fc": weight}, Budget("density", 0.5), unit=Block((2, 2))).masks["fc"]
        assert kept.tolist() == [[False, False, True, True]] * 4

    def test_blocks_at_the_ends_are_smaller(self) -> None:
        members = Block((2, 3)).members("conv", torch.zeros(3, 2, 2, 1))
        assert members.flatten(1).tolist() == [[0, 0, 0, 1], [0, 0, 0, 1], [2, 2, 2, 3]]

    def test_a_density_counts_weights_and_a_share_of_units_blocks(self) -> None:
        weight = torch.tensor([[5.0, 5, 9], [5, 5, 9], [1, 1, 2]])  # blocks of 4, 2, 2 and 1 weights
        by_weights = cut({"fc": weight}, Budget("density", 4 / 9), unit=Block((2, 2))).masks["fc"]
        assert by_weights.tolist() == [[False, False, True], [False, False, True], [False] * 3]  # 2 + 4 are too many
        by_units = cut({"fc": weight}, Budget("units", 0.5), unit=Block((2, 2))).masks["fc"]
        assert by_units.tolist() == [[True, True, True], [True, True, True], [False] * 3]

    def test_a_row_is_all_that_leads_to_an_output(self) -> None:
        weight = torch.tensor([1.0, 3, 2]).view(3, 1, 1, 1).expand(3, 2, 2, 2)
        kept = cut({"conv": weight}, Budget("units", 2 / 3), unit=Row()).masks["conv"]
        assert kept.flatten(1).all(1).tolist() == [False, True, True]
        assert kept.sum() == 16

    def test_weights_pruned_before_stay_pruned(self) -> None:
        survivors = MaskSet({"fc": torch.tensor([[True, False, True, True]])})
        again = cut(
            {"fc": torch.tensor([[9.0, 0, 1, 1]])}, Budget("density", 0.5), unit=Block((1, 2)), survivors=survivors
        )
        assert again.masks["fc"].tolist() == [[True, False, False, False]]

    @pytest.mark.parametrize("allocation", [GlobalThreshold(), PerLayer(), LayerStd()])
    def test_single_weights_as_blocks_are_single_weights(self, allocation: Allocation) -> None:
        weights = {
            "a": torch.randn(7, 5, generator=torch.Generator().manual_seed(0)),
            "b": torch.arange(1.0, 13).view(4, 3),
        }
        one = cut(weights, Budget("density", 0.3), allocation).masks
        if not isinstance(allocation, LayerStd):  # which compares magnitudes, here those of blocks
            assert cut(weights, Budget("density", 0.3), allocation, unit=Block((1, 1))).masks == one

    def test_a_quality_needs_single_weights(self) -> None:
        with pytest.raises(
            UserError, match=r"Quality 1 is a threshold for single weights, and criterion.unit is a block"
        ):
            cut({"fc": torch.eye(4)}, Budget("quality", 1.0), LayerStd(), unit=Block((2, 2)))

    @pytest.mark.parametrize("shape", [(4,), (0, 4), (2.0, 2)])
    def test_a_wrong_shape_is_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(UserError, match=r"criterion.unit.shape=.*two whole numbers of at least 1"):
            Block(shape)

    def test_units_must_number_every_weight(self) -> None:
        class Gaps:
            def members(self, name: str, weight: Tensor) -> Tensor:
                return 2 * torch.arange(weight.numel()).view(weight.shape)

        with pytest.raises(UserError, match="units of layer fc must be int64 numbers from 0 without gaps"):
            cut({"fc": torch.eye(2)}, Budget("density", 0.5), unit=Gaps())


def network() -> nn.Sequential:
    """A convolution of 18 weights and 288 FLOP (one 3 x 3 kernel on 4 x 4 places, twice), and a linear layer of 6."""
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2, 3))


COSTS = NetworkCosts({"0": 576.0, "2": 12.0}, 600.0, numbers_beside=5, bytes_beside=20)


class TestPrices:
    def test_flop_of_other_products_stay(self) -> None:
        prices = COSTS.prices("flop", prunable(network()), ["0"])
        assert prices == Prices({"0": 32.0}, 24.0, 600.0)

    def test_parameters_count_all_that_ships(self) -> None:
        assert COSTS.prices("parameters", prunable(network()), ["0", "2"]) == Prices({"0": 1.0, "2": 1.0}, 5.0, 29.0)

    def test_bytes_of_a_kept_weight_have_its_index(self) -> None:
        assert COSTS.prices("bytes", prunable(network()), ["0", "2"]) == Prices({"0": 5.0, "2": 37 / 8}, 20.0, 116.0)

    def test_weights_have_no_price(self) -> None:
        assert COSTS.prices("density", prunable(network()), ["0"]) is None


class TestOtherMeasures:
    def test_flop_decide_which_layer_pays(self) -> None:
        weights = {"dear": torch.tensor([[4.0, 3, 2, 1]]), "cheap": torch.tensor([[3.5, 2.5, 1.5, 0.5]])}
        prices = Prices({"dear": 10.0, "cheap": 1.0}, 6.0, 50.0)
        kept = cut(weights, Budget("flop", 0.56), prices=prices).masks  # 22 of 44: 10, 1, 10, 1 fit
        assert kept.kept_per_layer == {"dear": 2, "cheap": 2}
        assert cut(weights, Budget("flop", 0.54), prices=prices).masks.kept_per_layer == {"dear": 2, "cheap": 1}

    @given(value=st.floats(0.2, 1.0), seed=st.integers(0, 20), price=st.floats(0.1, 9.0))
    @settings(max_examples=40, deadline=None)
    def test_all_that_fits_is_kept_and_no_more(self, value: float, seed: int, price: float) -> None:
        noise = torch.Generator().manual_seed(seed)
        weights = {name: torch.randn(5, 6, generator=noise) for name in "ab"}
        prices = Prices({"a": price, "b": 1.0}, 2.0, 2.0 + 30 * price + 30)
        limit = value * prices.whole - prices.beside
        masks = cut(weights, Budget("flop", value), prices=prices).masks
        spent = sum(prices.each[name] * kept for name, kept in masks.kept_per_layer.items())
        assert spent <= limit * (1 + 1e-6)
        least = min(float(weights[name].abs()[mask].min()) for name, mask in masks.items() if mask.any())
        left = [
            (float(w.abs()[~masks[name]].max()), prices.each[name])
            for name, w in weights.items()
            if not masks[name].all()
        ]
        if left:
            score, next_price = max(left)
            assert score <= least
            assert spent + next_price > limit * (1 - 1e-6)

    def test_every_layer_keeps_the_same_share_where_that_is_asked(self) -> None:
        weights = {"a": torch.randn(10, 10), "b": torch.randn(10, 20)}
        prices = Prices({"a": 3.0, "b": 1.0}, 100.0, 600.0)
        kept = cut(weights, Budget("flop", 0.5), PerLayer(), prices=prices).masks.densities()
        assert kept == {"a": 0.4, "b": 0.4}  # 200 of 500

    def test_layer_std_solves_for_its_threshold(self) -> None:
        weights = {"a": torch.linspace(0.1, 1, 10).view(2, 5), "b": torch.linspace(1, 10, 10).view(2, 5)}
        prices = Prices({"a": 2.0, "b": 1.0}, 0.0, 30.0)
        found = cut(weights, Budget("parameters", 0.5), LayerStd(), prices=prices)
        assert found.masks.kept_per_layer == {"a": 5, "b": 5}

    def test_a_limit_below_what_stays_is_infeasible(self) -> None:
        prices = Prices({"fc": 1.0}, 12.0, 16.0)
        with pytest.raises(
            Infeasible, match=r"bytes 0.5 cannot be reached: what is not pruned takes 0.75 of the network's"
        ):
            cut({"fc": torch.eye(2)}, Budget("bytes", 0.5), prices=prices)

    def test_a_single_layer_has_no_share_of_a_network(self) -> None:
        with pytest.raises(UserError, match=r"flop 0.5 asked for, but single layers are pruned to densities here"):
            cut({"fc": torch.eye(2)}, Budget("flop", 0.5))


class TestOrder:
    @pytest.mark.parametrize("kind", MEASURES)
    def test_a_budget_part_of_the_way_is_milder(self, kind: BudgetKind) -> None:
        target = Budget(kind, 0.25)
        way = [nothing(kind), *(target.part(share) for share in (0.25, 0.5, 0.75)), target]
        assert all(one.severity < other.severity for one, other in pairwise(way))
        assert nothing(kind).prunes_nothing
        assert not target.prunes_nothing

    @pytest.mark.parametrize("kind", MEASURES)
    def test_out_of_range_is_said(self, kind: BudgetKind) -> None:
        assert Budget(kind, -0.5).mistake
        assert bool(Budget(kind, 1.5).mistake) is (kind != "quality")
        assert not Budget(kind, 0.5).mistake
