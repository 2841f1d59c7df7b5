"""Widened initial weights of sparse layers."""

from __future__ import annotations

import math

import torch
from torch import nn

from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.sparse_init import widen_


def _network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(8, 64, 3), nn.Flatten(), nn.Linear(64, 10))


def _masks(density: float) -> MaskSet:
    generator = torch.Generator().manual_seed(1)
    return MaskSet({"0": torch.rand(64, 8, 3, 3, generator=generator) < density})


def test_std_is_that_of_the_code_of_liu_et_al() -> None:
    network, masks = _network(), _masks(0.25)
    widen_(network, masks, seed=0)
    weight = network[0].weight
    assert isinstance(weight, torch.Tensor)
    kept = weight[masks["0"]]
    assert torch.isclose(kept.std(), torch.tensor(math.sqrt(2 / (masks.kept / 8))), rtol=0.1)
    assert (weight[~masks["0"]] == 0).all()


def test_sparser_layers_start_wider_and_others_as_they_were() -> None:
    dense, sparse = _network(), _network()
    sparse.load_state_dict(dense.state_dict())
    linear = dense[2].weight
    assert isinstance(linear, torch.Tensor)
    widen_(dense, _masks(0.9), seed=0)
    widen_(sparse, _masks(0.1), seed=0)
    wide, wider = (net.state_dict()["0.weight"] for net in (dense, sparse))
    assert wider[wider != 0].std() > 2.5 * wide[wide != 0].std()
    assert torch.equal(sparse.state_dict()["2.weight"], linear)


def test_the_draw_depends_on_the_seed_alone() -> None:
    first, again, other = _network(), _network(), _network()
    widen_(first, _masks(0.5), seed=0)
    torch.rand(3)
    widen_(again, _masks(0.5), seed=0)
    widen_(other, _masks(0.5), seed=1)
    drawn = [net.state_dict()["0.weight"] for net in (first, again, other)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_fan_in_of_a_transposed_convolution_is_that_of_a_group_and_a_table_has_none() -> None:
    torch.manual_seed(0)
    network = nn.ModuleDict({"up": nn.ConvTranspose2d(64, 32, 3, groups=2), "table": nn.Embedding(50, 8)})
    generator = torch.Generator().manual_seed(1)
    up, table = torch.rand(64, 16, 3, 3, generator=generator) < 0.5, torch.rand(50, 8, generator=generator) < 0.5
    before = network.get_parameter("table.weight").clone()
    widen_(network, MaskSet({"up": up, "table": table}), seed=0)
    kept = network.get_parameter("up.weight")[up]
    assert torch.isclose(kept.std(), torch.tensor(math.sqrt(2 * 32 / len(kept))), rtol=0.1)
    assert torch.equal(network.get_parameter("table.weight"), before * table)
