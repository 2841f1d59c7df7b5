"""Groups of layers, and the requests they refuse."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pruneexp.errors import UserError
from pruneexp.sensitivity.groups import Group, groups, weights_of


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(8, 4), nn.Linear(4, 2))


def test_every_layer_by_itself() -> None:
    assert groups(network()) == tuple(Group(name, (name,)) for name in ("0", "1", "3", "4"))


def test_kinds() -> None:
    assert [group.name for group in groups(network(), ("linear",))] == ["3", "4"]


def test_coupled_layers_stand_where_the_first_of_them_does() -> None:
    found = groups(network(), coupled=[("4", "1")])
    assert found == (Group("0", ("0",)), Group("1+4", ("1", "4")), Group("3", ("3",)))


def test_a_common_weight_is_one_group() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    net[2].weight = net[0].weight
    assert [group.name for group in groups(net)] == ["0", "1"]


def test_the_weights_are_the_networks_own() -> None:
    net = network()
    found = weights_of(net, Group("1+4", ("1", "4")))
    assert list(found) == ["1", "4"]
    assert found["4"] is net[4].weight


@pytest.mark.parametrize(
    ("coupled", "message"),
    [
        ([("0", "9")], "coupled names unknown layers 9; layers are 0, 1, 3, 4"),
        ([("0", "1"), ("1", "3")], "coupled names 1 more than once"),
        ([("0", "0")], "coupled names 0 more than once"),
        ([()], "a set without layers"),
    ],
)
def test_refused_couplings(coupled: list[tuple[str, ...]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        groups(network(), coupled=coupled)


def test_a_layer_of_another_kind_cannot_be_coupled() -> None:
    with pytest.raises(UserError, match="unknown layers 0; layers are 3, 4"):
        groups(network(), ("linear",), coupled=[("0", "3")])


def test_nothing_to_prune() -> None:
    with pytest.raises(UserError, match="no prunable layer"):
        groups(nn.Sequential(nn.Flatten()))


def test_a_grouping_draws_nothing() -> None:
    state = torch.get_rng_state()
    net = network()
    torch.set_rng_state(state)
    groups(net)
    assert torch.equal(torch.get_rng_state(), state)
