"""Channels: what a pass couples, how they are scored and counted, and what stays."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pruneexp.errors import Infeasible, UserError
from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.allowance import Prices
from pruneexp.pruning.coupling_rules import coupled
from pruneexp.pruning.couplings import couplings
from pruneexp.pruning.criteria.geometric_median import GeometricMedian
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.criteria.squared_magnitude import SquaredMagnitude
from pruneexp.pruning.labels import Atoms, OfParameter
from pruneexp.pruning.layers import prunable, weights
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.select import Criterion, select
from pruneexp.pruning.units.row import Row
from pruneexp.pruning.units.unit import Grouping
from pruneexp.schema import Budget
from tests.contracts.channels import cut, grouping
from tests.contracts.tracing import traced_by


class Residual(nn.Module):
    """Two branches that an addition joins, batch normalisation, PReLU, and a linear layer behind a flattening."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner, self.outer = nn.Conv2d(2, 6, 3), nn.Conv2d(6, 5, 3, padding=1), nn.Conv2d(5, 6, 1)
        self.norm, self.act, self.head = nn.BatchNorm2d(6), nn.PReLU(6), nn.Linear(6 * 9, 4)

    def forward(self, images: Tensor) -> Tensor:
        x = self.act(self.norm(self.stem(images)))
        x = (x + self.outer(self.inner(x).relu())).relu()
        logits: Tensor = self.head(x.flatten(1))
        return logits


SHAPE = (2, 5, 5)


def kept_rows(masks: MaskSet, name: str) -> list[int]:
    return masks[name].flatten(1).any(1).nonzero().flatten().tolist()


def test_an_addition_couples_what_it_adds_and_a_flattening_repeats_it() -> None:
    found = couplings(traced_by(Residual(), SHAPE), Residual(), ["stem", "inner", "outer"])
    assert found.held == {"head": "the outputs"}
    stem, inner = found.sets["stem"], found.sets["inner"]
    assert (stem.channels, dict(stem.producers)) == (6, {"stem": 0, "outer": 0})
    assert (inner.channels, dict(inner.producers)) == (5, {"inner": 0})
    rows = [("stem.weight", 0), ("stem.bias", 0), ("outer.weight", 0), ("outer.bias", 0), ("act.weight", 0)]
    norm = [(f"norm.{name}", 0) for name in ("weight", "bias", "running_mean", "running_var")]
    assert stem.members.keys() == {*rows, *norm, ("inner.weight", 1), ("head.weight", 1)}
    assert stem.readers == {("inner.weight", 1), ("head.weight", 1)}
    assert inner.members.keys() == {("inner.weight", 0), ("inner.bias", 0), ("outer.weight", 1)}
    assert stem.members["outer.weight", 0].tolist() == list(range(6))
    assert stem.members["head.weight", 1].tolist() == [channel for channel in range(6) for _ in range(9)]


def test_masks_are_those_of_the_mean_magnitudes_that_plain_torch_computes() -> None:
    network = Residual()
    masks = cut(network, SHAPE, Budget("units", 0.5)).masks
    inner = network.inner.weight.abs().sum((1, 2, 3))
    assert kept_rows(masks, "inner") == inner.topk(3).indices.sort().values.tolist()  # 2 of 5 go
    both = network.stem.weight.abs().sum((1, 2, 3)) + network.outer.weight.abs().sum((1, 2, 3))
    kept = both.topk(3).indices.sort().values.tolist()
    assert kept_rows(masks, "stem") == kept_rows(masks, "outer") == kept
    columns = masks["head"].view(4, 6, 9).all(2).any(0).nonzero().flatten().tolist()
    assert columns == masks["inner"].any(0).flatten(1).all(1).nonzero().flatten().tolist() == kept
    assert masks["head"].sum() == 4 * 3 * 9
    assert masks["outer"].sum() == 3 * 3


def test_l1_norms_of_filters_are_those_of_li_et_al() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
    masks = cut(network, (3, 6, 6), Budget("units", 0.25)).masks
    norms = torch.linalg.vector_norm(network.get_parameter("0.weight").detach().flatten(1), ord=1, dim=1)
    kept = norms >= norms.sort(descending=True).values[1]
    assert torch.equal(masks["0"], kept.view(8, 1, 1, 1).expand(8, 3, 3, 3))
    assert torch.equal(masks["2"], kept.view(1, 8, 1, 1).expand(4, 8, 3, 3))


@pytest.mark.parametrize("score", [Magnitude(), SquaredMagnitude(), GeometricMedian()])
def test_a_channel_is_worth_the_mean_of_the_rows_that_make_it(score: Criterion) -> None:
    network = Residual()
    scores = score({name: weight.detach() for name, weight in weights(network).items()}, torch.Generator())
    found, rows = grouping(network, SHAPE).means(scores), Grouping(Row(), scores).means(scores)
    torch.testing.assert_close(found["inner"], rows["inner"])
    torch.testing.assert_close(found["stem"], (18 * rows["stem"] + 5 * rows["outer"]) / 23)  # by their weights


class TestKindsOfCoupling:
    def sets(self, network: nn.Module, shape: tuple[int, ...]) -> dict[str, int]:
        return {name: found.channels for name, found in grouping(network, shape).of.sets.items()}

    def test_a_depthwise_convolution_goes_with_what_it_reads(self) -> None:
        network = nn.Sequential(nn.Conv2d(3, 6, 1), nn.Conv2d(6, 12, 3, groups=6), nn.Conv2d(12, 2, 1))
        (found,) = grouping(network, (3, 4, 4)).of.sets.values()
        assert found.members["0.weight", 0].tolist() == list(range(6))
        assert found.members["1.weight", 0].tolist() == [channel for channel in range(6) for _ in range(2)]
        assert ("1.weight", 1) not in found.members

    def test_a_convolution_in_few_groups_loses_the_same_places_of_each(self) -> None:
        network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 6, 3, groups=2), nn.Conv2d(6, 2, 1))
        sets = grouping(network, (3, 4, 4)).of.sets
        assert sets["0"].members["0.weight", 0].tolist() == [0, 1, 2, 3] * 2
        assert sets["0"].members["1.weight", 1].tolist() == [0, 1, 2, 3]
        assert sets["1"].members["2.weight", 1].tolist() == [0, 1, 2] * 2

    def test_a_convolution_in_many_groups_loses_groups(self) -> None:
        network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=4), nn.Conv2d(8, 2, 1))
        assert self.sets(network, (3, 4, 4)) == {"0": 4}

    def test_a_concatenation_puts_channels_side_by_side(self) -> None:
        class Dense(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.one, self.two, self.last = nn.Conv2d(2, 3, 1), nn.Conv2d(3, 4, 1), nn.Conv2d(7, 2, 1)

            def forward(self, images: Tensor) -> Tensor:
                x = self.one(images)
                logits: Tensor = self.last(torch.cat([self.two(x.relu()), x], 1)).mean((2, 3))
                return logits

        sets = grouping(Dense(), (2, 4, 4)).of.sets
        assert sets["one"].members["last.weight", 1].tolist() == [-1] * 4 + [0, 1, 2]
        assert sets["two"].members["last.weight", 1].tolist() == [0, 1, 2, 3] + [-1] * 3

    def test_hidden_units_of_an_lstm_are_four_gates_and_what_reads_them(self) -> None:
        class Rows(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.lstm, self.head = nn.LSTM(3, 5, batch_first=True), nn.Linear(5, 2)

            def forward(self, rows: Tensor) -> Tensor:
                logits: Tensor = self.head(self.lstm(rows)[0][:, -1])
                return logits

        (found,) = grouping(Rows(), (4, 3)).of.sets.values()
        gates = list(range(5)) * 4
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            assert found.members[f"lstm.{name}", 0].tolist() == gates
        assert found.members["lstm.weight_hh_l0", 1].tolist() == list(range(5))
        assert found.members["head.weight", 1].tolist() == list(range(5))

    def test_layer_norm_and_attention_hold_channels_and_hidden_units_go(self) -> None:
        network = nn.TransformerEncoderLayer(6, 2, 8, batch_first=True, norm_first=True)
        found = grouping(network, (4, 6))
        assert {name: each.channels for name, each in found.of.sets.items()} == {"linear1": 8}
        assert found.of.held["linear2"] == found.of.held["self_attn.out_proj"] == "LayerNorm"
        assert "as in attention" in found.of.held["self_attn.in_proj_weight"]
        assert "(LayerNorm)" in found.staying

    def test_where_all_channels_must_stay_one_sentence_says_so(self) -> None:
        network = nn.Sequential(nn.Conv2d(2, 4, 1), nn.LayerNorm([4, 3, 3]), nn.Conv2d(4, 2, 1))
        with pytest.raises(UserError, match=r"no channels that can go.*: 0 \(LayerNorm\), 2 \(the out"):
            grouping(network, (2, 3, 3))

    def test_layers_out_of_scope_keep_their_outputs_with_all_that_is_coupled(self) -> None:
        network = Residual()
        found = couplings(traced_by(network, SHAPE), network, list(prunable(network, exclude=["outer"])))
        assert list(found.sets) == ["inner"]
        assert found.held["stem"] == "outside of criterion.layers, or in criterion.exclude"


class TestBudgets:
    def test_a_density_is_that_of_the_masks_and_one_channel_more_would_exceed_it(self) -> None:
        network = Residual()
        total = sum(weight.numel() for weight in weights(network).values())
        for asked in (0.2, 0.45, 0.8):
            found = cut(network, SHAPE, Budget("density", asked), GlobalThreshold())
            rows = sum(len(kept_rows(found.masks, name)) for name in ("stem", "inner"))
            assert found.masks.kept <= asked * total
            more = cut(network, SHAPE, Budget("units", (rows + 1) / 11), GlobalThreshold()).masks
            assert more.kept > asked * total

    def test_flop_and_parameters_are_those_of_the_masks(self) -> None:
        network = Residual()
        found = {name: weight.detach() for name, weight in weights(network).items()}
        prices = Prices({"stem": 18.0, "inner": 18.0, "outer": 18.0, "head": 2.0}, 100.0, 12000.0)
        masks = select(
            found, Budget("flop", 0.4), Magnitude(), GlobalThreshold(),
            unit=grouping(network, SHAPE), prices=prices, generator=torch.Generator(),
        ).masks  # fmt: skip
        spent = 100 + sum(prices.each[name] * kept for name, kept in masks.kept_per_layer.items())
        assert 0.3 * 12000 < spent <= 0.4 * 12000

    def test_every_set_keeps_a_channel_and_what_that_exceeds_cannot_be_reached(self) -> None:
        found = cut(Residual(), SHAPE, Budget("units", 0.01))
        assert found.collapsed == ("stem", "inner")
        assert len(kept_rows(found.masks, "stem")) == len(kept_rows(found.masks, "inner")) == 1
        with pytest.raises(Infeasible, match=r"density 0.01 cannot be reached: what stays, with the fewest units"):
            cut(Residual(), SHAPE, Budget("density", 0.01))

    def test_what_survived_before_is_cut_again(self) -> None:
        network = Residual()
        units, found = grouping(network, SHAPE), {name: w.detach() for name, w in weights(network).items()}
        first = cut(network, SHAPE, Budget("units", 0.7)).masks
        again = select(
            {name: torch.rand_like(weight) for name, weight in found.items()}, Budget("density", 0.2), Magnitude(),
            GlobalThreshold(), unit=units, survivors=first, generator=torch.Generator(),
        ).masks  # fmt: skip
        assert again.kept <= 0.2 * again.total
        assert all(bool((first[name] | ~mask).all()) for name, mask in again.items())

    def test_a_quality_needs_single_weights(self) -> None:
        with pytest.raises(UserError, match=r"Quality 1"):
            cut(Residual(), SHAPE, Budget("quality", 1.0))


def test_a_recurrent_cell_in_one_operation_couples_gates_and_states() -> None:
    atoms, graph = Atoms(), torch.fx.Graph()
    node = graph.call_function(torch.ops.aten._thnn_fused_lstm_cell.default)
    node.meta["val"] = (torch.empty(1, 3), torch.empty(1, 3), torch.empty(1, 12))
    given, hidden, bias, before = atoms.fresh(12), atoms.fresh(12), atoms.fresh(12), atoms.fresh(3)
    labels = {"input_gates": given.view(1, 12), "hidden_gates": hidden.view(1, 12), "cx": before.view(1, 3)}
    state, cell, rest = coupled(atoms, node, {**labels, "input_bias": OfParameter([bias])})  # type: ignore[misc]
    assert rest is None
    assert isinstance(state, Tensor)
    assert isinstance(cell, Tensor)
    assert torch.equal(state, cell)
    roots = atoms.roots()
    assert roots.tolist() == roots[state[0]].tolist() * 13
    assert len(roots.unique()) == 3
