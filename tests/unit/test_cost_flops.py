"""FLOP of the dense network: the papers' tables, torch's own counter, and products that are easy to miss."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from pruneexp.cost.flops import DenseFlop, by_layer, dense_flop
from pruneexp.models import torchvision_models
from pruneexp.models.alexnet import AlexNet
from pruneexp.models.lenet import LeNet5, LeNet300100
from pruneexp.models.vgg import VGG16
from tests.contracts.tracing import traced_by

NETWORKS: list[Callable[[], nn.Module]] = [
    LeNet300100,
    LeNet5,
    AlexNet,
    VGG16,
    torchvision_models.alexnet,
    torchvision_models.vgg16,
]


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


def counted(network: nn.Module, shape: tuple[int, ...]) -> DenseFlop:
    return dense_flop(traced_by(network, shape))


def layer_flops(network: nn.Module, shape: tuple[int, ...]) -> dict[str, float]:
    return by_layer(network, counted(network, shape))


@pytest.mark.parametrize("build", NETWORKS)
def test_equals_torchs_counter(build: Callable[[], nn.Module]) -> None:
    network, shape = on_meta(build)
    assert sum(layer_flops(network, shape).values()) == counted(network, shape).total == torchs(network, shape)


@pytest.mark.parametrize(("name", "weights", "total"), [("vit_b_16", 33.70, 35.13)])
def test_attention_multiplies_activations_by_each_other(name: str, weights: float, total: float) -> None:
    """GFLOP; the difference is that of the scores and of the mixing by them."""
    with torch.device("meta"):
        network = torchvision.models.get_model(name)
    flop = counted(network, (3, 224, 224))
    assert (sum(flop.parameters.values()) / 1e9, flop.total / 1e9) == pytest.approx((weights, total), rel=1e-4)


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
    flop = layer_flops(network, (4, 8, 6))
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
    assert layer_flops(*on_meta(build)) == pytest.approx(printed, rel=0.025)


def test_a_tied_weight_goes_by_its_first_name() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    network[2].weight = network[0].weight
    assert layer_flops(network, (3,)) == {"0": 36}


def test_the_network_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    network[2].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    layer_flops(network, (3,))
    assert [module.training for module in network.modules()] == [True, True, True, False]
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


class Attentive(nn.Module):
    """Attention over 12 rows of 12 pixels, by two heads, before a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(12, 2, batch_first=True)
        self.head = nn.Linear(144, 4)

    def forward(self, images: Tensor) -> Tensor:
        x = images.mean(1)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        logits: Tensor = self.head(x.flatten(1))
        return logits


def test_attention_by_hand() -> None:
    flop = counted(Attentive(), (1, 12, 12))
    products = {
        "attention.in_proj_weight": 2 * 12 * 12 * 36,
        "attention.out_proj.weight": 2 * 12 * 12 * 12,
        "head.weight": 2 * 144 * 4,
    }
    assert {name: count for name, count in flop.parameters.items() if count} == products
    assert flop.total == sum(products.values()) + 2 * (2 * 2 * 12 * 12 * 6)  # two heads: scores, and mixing by them


class Recurrent(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.rows = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[kind](5, 8, 2, batch_first=True, bidirectional=True)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.rows(images.mean(1))[0][:, -1]
        return logits


@pytest.mark.parametrize(("kind", "gates"), [("lstm", 4), ("gru", 3), ("rnn", 1)])
def test_recurrent_weights_meet_every_step(kind: str, gates: int) -> None:
    flop = counted(Recurrent(kind), (1, 6, 5)).parameters
    assert flop["rows.weight_ih_l0"] == flop["rows.weight_ih_l0_reverse"] == 2 * 6 * (gates * 8) * 5
    assert flop["rows.weight_ih_l1"] == 2 * 6 * (gates * 8) * 16
    assert flop["rows.weight_hh_l0"] == flop["rows.weight_hh_l1_reverse"] == 2 * 6 * (gates * 8) * 8


class Loose(nn.Module):
    """Weights without modules: used by a function, concatenated, multiplied together, looked up, and scaled by."""

    def __init__(self) -> None:
        super().__init__()
        self.functional = nn.Linear(4, 4)
        self.parts = nn.ParameterList([nn.Parameter(torch.ones(4, 1)), nn.Parameter(torch.ones(4, 3))])
        self.down, self.up = nn.Parameter(torch.ones(4, 2)), nn.Parameter(torch.ones(2, 4))
        self.table, self.scale = nn.Embedding(3, 4), nn.Parameter(torch.ones(2, 4))

    def forward(self, images: Tensor) -> Tensor:
        x = functional.linear(images, self.functional.weight, self.functional.bias)
        x = x @ torch.cat(list(self.parts), 1)
        x = x @ (self.down @ self.up)
        logits: Tensor = x * self.scale + self.table(images.long().clamp(0, 2)).sum(2)
        return logits


def test_it_matters_not_who_uses_a_weight() -> None:
    flop = counted(Loose(), (2, 4))
    once = 2 * 2 * 4 * 4  # two rows times a matrix of 4 x 4
    assert flop.parameters == {
        "functional.weight": once,
        "functional.bias": 0,
        "parts.0": once / 4,
        "parts.1": 3 * once / 4,
        "down": once / 2,
        "up": once / 2,
        "table.weight": 0,
        "scale": 0,
    }
    assert flop.total == 3 * once + 2 * 4 * 4 * 2  # the product of the two small matrices


def test_transposed_convolutions_meet_each_input_once() -> None:
    network = nn.Sequential(nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2))
    assert counted(network, (4, 5, 5)).total == 2 * (4 * 25) * (3 * 9) == torchs(network, (4, 5, 5))


def test_a_network_that_needs_two_images_is_counted_for_one() -> None:
    class Pairs(nn.Linear):
        def forward(self, images: Tensor) -> Tensor:
            assert len(images) > 1
            return super().forward(images)

    assert counted(Pairs(3, 5), (3,)).total == 2 * 3 * 5
