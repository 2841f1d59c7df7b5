"""FLOP of dense layers: the papers' tables, torch's own counter, and shapes that are easy to get wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from pruneexp.cost.flops import layer_flops
from pruneexp.errors import UserError
from pruneexp.models import torchvision_models
from pruneexp.models.alexnet import AlexNet
from pruneexp.models.lenet import LeNet5, LeNet300100
from pruneexp.models.vgg import VGG16

NETWORKS: list[Callable[[], nn.Module]] = [
    LeNet300100,
    LeNet5,
    AlexNet,
    VGG16,
    torchvision_models.alexnet,
    torchvision_models.vgg16,
]


def flops(network: nn.Module, shape: tuple[int, ...]) -> dict[str, float]:
    """FLOP for an image of zeros."""
    return layer_flops(network, torch.zeros(1, *shape, device=next(network.parameters()).device))


def on_meta(build: Callable[[], nn.Module]) -> tuple[nn.Module, tuple[int, ...]]:
    with torch.device("meta"):
        network = build()
    shape = network.input_shape
    assert isinstance(shape, tuple)
    return network, shape


def torchs(network: nn.Module, shape: tuple[int, ...]) -> int:
    device = next(network.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.zeros(1, *shape, device=device))
    return int(counter.get_total_flops())


@pytest.mark.parametrize("build", NETWORKS)
def test_equals_torchs_counter(build: Callable[[], nn.Module]) -> None:
    network, shape = on_meta(build)
    assert sum(flops(network, shape).values()) == torchs(network, shape)


class Awkward(nn.Module):
    """Everything a counter gets wrong: groups, dilation, stride, padding mode, a layer used twice, one never used."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 6, (3, 5), stride=(2, 1), padding=(1, 2), padding_mode="circular", groups=2)
        self.wide = nn.Conv2d(6, 6, 3, dilation=2, padding="same")
        self.line = nn.Conv1d(6, 3, 3, stride=2)
        self.tokens = nn.Linear(5, 5)
        self.idle = nn.Linear(2, 2)

    def forward(self, images: Tensor) -> Tensor:
        x = self.wide(self.wide(self.first(images)))
        x = self.line(x.flatten(2))
        logits: Tensor = self.tokens(x[..., :5]).sum(1)
        return logits


def test_awkward_layers_by_hand() -> None:
    network = Awkward()
    flop = flops(network, (4, 8, 6))
    assert flop == {
        "first": 2 * (6 * 4 * 6) * (2 * 3 * 5),  # 6 maps of 4 x 6; each output sees its group's 2 channels
        "wide": 2 * 2 * (6 * 4 * 6) * (6 * 3 * 3),  # twice
        "line": 2 * (3 * 11) * (6 * 3),
        "tokens": 2 * (3 * 5) * 5,  # three positions
        "idle": 0,
    }
    assert sum(flop.values()) == torchs(network, (4, 8, 6))


@pytest.mark.parametrize(
    ("build", "printed"),
    [
        (LeNet5, {"conv1": 576e3, "conv2": 3.2e6, "fc1": 800e3, "fc2": 10e3}),
        (
            AlexNet,
            {
                "conv1": 211e6,
                "conv2": 448e6,
                "conv3": 299e6,
                "conv4": 224e6,
                "conv5": 150e6,
                "fc1": 75e6,
                "fc2": 34e6,
                "fc3": 8e6,
            },
        ),
    ],
)
def test_flop_as_printed(build: Callable[[], nn.Module], printed: dict[str, float]) -> None:
    assert flops(*on_meta(build)) == pytest.approx(printed, rel=0.025)


def test_a_tied_weight_goes_by_its_first_name() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    network[2].weight = network[0].weight
    assert flops(network, (3,)) == {"0": 36}


def test_the_network_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    network[2].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    flops(network, (3,))
    assert [module.training for module in network.modules()] == [True, True, True, False]
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_hooks_go_even_when_the_network_fails() -> None:
    network = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(RuntimeError):
        flops(network, (4,))
    assert not network[0]._forward_hooks
    assert not network[0]._forward_pre_hooks


def test_nothing_to_prune() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

        def forward(self, x: Tensor) -> Tensor:
            return functional.relu(x * self.scale)

    with pytest.raises(UserError):
        flops(Bare(), (3,))
