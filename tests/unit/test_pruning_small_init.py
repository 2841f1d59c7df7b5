"""Fresh weights at the sizes of a small network: drawn by the network's own rule, and put where they stand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.models.lenet import LeNet5
from pruneexp.models.lstm import LanguageLSTM
from pruneexp.modes.scratch_b import ScratchB
from pruneexp.modes.scratch_e import ScratchE
from pruneexp.pruning.layers import weights
from pruneexp.pruning.narrow import place_
from pruneexp.pruning.removal import Architecture, architecture_of, removed, shrink_
from pruneexp.pruning.small_init import initial_values
from pruneexp.schema import Budget
from pruneexp.tracing.graphs import tensors_of
from tests.contracts.channels import cut
from tests.contracts.tracing import traced_by

SHAPE = (1, 28, 28)


def built(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        torch.manual_seed(0)
        return make().eval()

    return build


def test_weights_are_those_of_the_same_class_at_the_small_sizes() -> None:
    class Net(nn.Module):
        def __init__(self, width: int = 64) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, width, 3), nn.BatchNorm2d(width)
            self.deep, self.head = nn.Conv2d(width, width, 3, groups=width), nn.Linear(width, 4)
            for each in (self.conv, self.deep):
                nn.init.kaiming_normal_(each.weight, mode="fan_out")

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.head(self.deep(self.norm(self.conv(images)).relu()).mean((2, 3)))
            return logits

    network = built(Net)()
    masks = cut(network, (1, 8, 8), Budget("units", 0.25)).masks
    found = initial_values(built(Net), architecture_of(traced_by(network, (1, 8, 8)), network, masks))
    wanted = tensors_of(built(lambda: Net(16))())
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


def test_the_whole_network_with_these_weights_is_the_small_one() -> None:
    build = built(LeNet5)
    network = build()
    masks = cut(network, SHAPE, Budget("units", 0.4)).masks
    architecture = architecture_of(traced_by(network, SHAPE), network, masks)
    values = initial_values(build, architecture)
    small = build()
    shrink_(small, architecture)
    small.load_state_dict(values)
    place_(network, values, architecture)
    masks.apply_(network)
    images = torch.randn(3, *SHAPE)
    assert torch.allclose(network(images), small(images), atol=1e-5)
    assert {len(w) for w in weights(small).values()} == {8, 20, 200, 10}
    wide = values["fc1.weight"]
    assert wide.std() == pytest.approx(math.sqrt(1 / wide.shape[1]), rel=0.02)  # LeCun's rule, by the small fan-in


def test_recurrent_layers_are_made_small_with_what_their_class_sets() -> None:
    build = built(lambda: LanguageLSTM(tokens=11, embedding=4, hidden=6))
    values = initial_values(build, Architecture(kept_of_hidden([0, 2, 5])))
    assert values["layers.0.weight_hh_l0"].shape == (12, 3)
    assert values["layers.0.bias_ih_l0"][3:6].tolist() == [1, 1, 1]  # the forget gates of three units


def kept_of_hidden(units: list[int]) -> dict[str, dict[int, Tensor]]:
    gates, columns = torch.tensor([gate * 6 + unit for gate in range(4) for unit in units]), torch.tensor(units)
    rows = {f"layers.0.{name}": {0: gates} for name in ("weight_ih_l0", "bias_ih_l0", "bias_hh_l0")}
    return {**rows, "layers.0.weight_hh_l0": {0: gates, 1: columns}, "head.weight": {1: columns}}


def test_torch_makes_its_layers_as_before() -> None:
    constructor = nn.Linear.__init__
    network = LeNet5()
    initial_values(built(LeNet5), architecture_of(traced_by(network, SHAPE), network, cut(
        network, SHAPE, Budget("units", 0.5)).masks))  # fmt: skip
    assert nn.Linear.__init__ is constructor
    assert nn.Linear(3, 2).weight.shape == (2, 3)


def test_a_parameter_of_its_own_size_is_refused() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.scale = nn.Conv2d(2, 4, 1), nn.Parameter(torch.ones(4, 1, 1))
            self.head = nn.Conv2d(4, 3, 1)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.head(self.scale * self.conv(images))
            return logits

    network = built(Scaled)()
    masks = cut(network, (2, 3, 3), Budget("units", 0.5)).masks
    assert removed(network, masks, torch.randn(2, 2, 3, 3)).network.get_parameter("scale").shape == (2, 1, 1)
    with pytest.raises(UserError, match=r"mode.small_init: Scaled cannot be made without channels.*size of scale"):
        initial_values(built(Scaled), architecture_of(traced_by(network, (2, 3, 3)), network, masks))


@pytest.mark.parametrize("mode", [ScratchE, ScratchB])
def test_one_way_to_draw_weights_is_enough(mode: type[ScratchE | ScratchB]) -> None:
    with pytest.raises(ValueError, match=r"scaled_init and small_init are both true"):
        mode(scaled_init=True, small_init=True)
