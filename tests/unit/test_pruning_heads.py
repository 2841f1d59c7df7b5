"""Heads of attention: which weights one is made of, how they are chosen, and their removal."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.models.transformer import LanguageTransformer
from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.channels import ChannelGrouping
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.fewer_heads import FewerHeads
from pruneexp.pruning.layers import prunable, weights
from pruneexp.pruning.removal import removed
from pruneexp.pruning.select import Allocation, Selection, select
from pruneexp.pruning.units.head import Head
from pruneexp.schema import Budget
from pruneexp.tracing.trace import traced
from tests.contracts.channels import grouping, restless
from tests.contracts.tracing import traced_by

WIDTH, HEADS, LENGTH = 12, 3, 5


class Own(nn.Module):
    """Attention by plain torch; ``count`` is how its code counts heads."""

    def __init__(self, count: Callable[[int], int]) -> None:
        super().__init__()
        self.count, self.width = count, WIDTH // HEADS
        self.attend, self.project = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        made = self.attend(x)
        split = made.unflatten(-1, (self.count(made.shape[-1]), 3, self.width))  # head by head q, k, v
        query, key, value = (each.transpose(1, 2) for each in split.unbind(3))
        scores = (query @ key.transpose(-1, -2)).softmax(-1)
        outputs: Tensor = x + self.project((scores @ value).transpose(1, 2).flatten(2))
        return outputs


class Weighted(nn.Module):
    """Torch's attention as it is called by default, with weights that nothing reads."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **options)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        mask = torch.ones(length, length, dtype=torch.bool).triu(1)
        keys = x[..., : self.attention.kdim]
        outputs: Tensor = x + self.attention(x, keys, keys, attn_mask=mask)[0]
        return outputs


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "own": lambda: Own(lambda rows: rows // WIDTH),
    "torch": Weighted,
    "torch, narrow keys": lambda: Weighted(kdim=WIDTH - 2, vdim=WIDTH - 2, bias=False),
    "torch's layer": lambda: nn.TransformerEncoderLayer(WIDTH, HEADS, 7, batch_first=True),
    "torch's layer, tokens first": lambda: nn.TransformerEncoderLayer(WIDTH, HEADS, 7, norm_first=True),
}
SHAPE = (LENGTH, WIDTH)


def units_of(network: nn.Module, exclude: tuple[str, ...] = ()) -> ChannelGrouping:
    return Head().grouping(traced_by(network, SHAPE), network, prunable(network, ("linear", "other"), exclude))


def cut_heads(network: nn.Module, units: ChannelGrouping, share: float, allocation: Allocation) -> Selection:
    found = {name: weight.detach() for name, weight in weights(network).items()}
    budget = Budget("units", share)
    return select(found, budget, Magnitude(), allocation, unit=units, generator=torch.Generator())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_small_network_computes_what_the_masked_one_does(name: str) -> None:
    torch.manual_seed(0)
    network = restless(NETWORKS[name]())
    units = units_of(network)
    assert [len(sizes) for sizes in units.sizes.values()] == [HEADS]
    Head().check(units, network, torch.randn(2, *SHAPE))
    masks = cut_heads(network, units, 0.34, PerLayer()).masks
    masked, small = copy.deepcopy(network), removed(network, masks, torch.randn(2, *SHAPE))
    masks.apply_(masked)
    inputs = torch.randn(3, *SHAPE)
    with torch.no_grad():
        wanted, found = masked(inputs), small.network(inputs)
    assert (wanted - found).abs().max() < 1e-5 * wanted.abs().max()
    assert wanted.std(0).max() > 0.1
    gone = sum(weight.numel() for weight in weights(network).values()) - small.masks.total
    inputs_of_rows = 3 * WIDTH if "narrow" not in name else 3 * WIDTH - 4
    assert gone == masks.total - masks.kept == 2 * (WIDTH // HEADS) * (inputs_of_rows + WIDTH)  # two heads go


def test_rows_are_those_of_one_head_in_any_layout() -> None:
    own, torchs = units_of(Own(lambda rows: rows // WIDTH)), units_of(Weighted())
    (of_own,), (of_torch,) = own.of.sets.values(), torchs.of.sets.values()
    by_head = torch.arange(HEADS).repeat_interleave(WIDTH // HEADS)
    assert torch.equal(of_own.members["attend.weight", 0], torch.arange(HEADS).repeat_interleave(WIDTH))
    assert torch.equal(of_torch.members["attention.in_proj_weight", 0], by_head.repeat(3))
    assert torch.equal(of_torch.members["attention.in_proj_bias", 0], by_head.repeat(3))
    assert torch.equal(of_own.members["project.weight", 1], by_head)
    assert torch.equal(of_torch.members["attention.out_proj.weight", 1], by_head)


def test_the_score_is_the_mean_magnitude_of_queries_keys_and_values() -> None:
    torch.manual_seed(1)
    network = Weighted()
    masks = cut_heads(network, units_of(network), 0.34, PerLayer()).masks
    rows = network.attention.in_proj_weight.detach().abs().view(3, HEADS, -1).mean((0, 2))
    kept = torch.arange(HEADS) == rows.argmax()
    assert torch.equal(masks["attention.in_proj_weight"].view(3, HEADS, -1).all(2), kept.expand(3, HEADS))
    assert torch.equal(masks["attention.out_proj"].view(WIDTH, HEADS, -1).all(2), kept.expand(WIDTH, HEADS))


def test_a_global_threshold_shares_heads_between_layers_and_each_keeps_one() -> None:
    torch.manual_seed(0)
    network = LanguageTransformer(tokens=11, window=LENGTH, width=WIDTH, heads=HEADS, layers=2).eval()
    network.get_parameter("blocks.0.attend.weight").data.mul_(0.1)
    tokens = torch.randint(11, (2, LENGTH))
    units = Head().grouping(traced(network, tokens), network, prunable(network))
    masks = cut_heads(network, units, 0.5, GlobalThreshold()).masks
    small = removed(network, masks, tokens).network
    assert small.get_parameter("blocks.0.attend.weight").shape == (WIDTH, WIDTH)
    assert small.get_parameter("blocks.1.attend.weight").shape == (3 * WIDTH, WIDTH)
    assert small.get_parameter("blocks.0.project.weight").shape == (WIDTH, WIDTH // HEADS)


def test_torchs_layers_do_not_go_around_fewer_heads() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 7, batch_first=True, dropout=0.0)
    network = restless(nn.TransformerEncoder(layer, 1, enable_nested_tensor=False))
    masks = cut_heads(network, units_of(network), 0.34, PerLayer()).masks
    small = removed(network, masks, torch.randn(2, *SHAPE)).network
    assert isinstance(small.get_submodule("layers.0.self_attn"), FewerHeads)
    masked, inputs = copy.deepcopy(network), torch.randn(2, *SHAPE)
    masks.apply_(masked)
    padding = torch.tensor([[False] * 4 + [True], [False] * 5])
    with torch.no_grad():
        wanted, found = (each(inputs, src_key_padding_mask=padding) for each in (masked, small))
    assert torch.allclose(wanted[~padding], found[~padding], atol=1e-5)


class TestRefused:
    def test_code_that_counts_heads_by_itself(self) -> None:
        network = Own(lambda rows: HEADS)
        with pytest.raises(UserError, match=r"criterion.unit: the heads of the network cannot go: .* code needs the s"):
            Head().check(units_of(network), network, torch.randn(2, *SHAPE))

    def test_without_attention_of_several_heads(self) -> None:
        with pytest.raises(UserError, match=r"Linear has no heads of attention that can go: no product of activations"):
            units_of(nn.Linear(WIDTH, 3))

    def test_layers_out_of_scope(self) -> None:
        with pytest.raises(UserError, match=r"no heads.*: attention.in_proj_weight \(outside of criterion.layers"):
            units_of(Weighted(), exclude=("attention.in_proj_weight",))


def test_hidden_units_of_the_perceptron_are_channels_and_its_width_is_held() -> None:
    network = nn.TransformerEncoderLayer(WIDTH, HEADS, 7, batch_first=True)
    found = grouping(network, SHAPE)
    assert {name: len(sizes) for name, sizes in found.sizes.items()} == {"linear1": 7}
    assert found.staying == (
        "channels that stay whole: self_attn.in_proj_weight (a product of activations, as in attention), "
        "self_attn.out_proj and 1 more (LayerNorm)"
    )
