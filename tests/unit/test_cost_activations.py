"""Shares of non-zero activations, by hand and on a network whose zeros are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pruneexp.cost.activations import Activations, activations
from pruneexp.models.adapt import adapt
from pruneexp.models.lenet import LeNet5

CPU = torch.device("cpu")


@dataclass
class Split:
    images: Tensor

    def batches(self, batch_size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        for images in self.images.split(batch_size):
            yield images.to(device), torch.zeros(len(images), dtype=torch.int64)


def chain() -> nn.Sequential:
    """Convolution (1 -> 2 maps, x and -x), ReLU, pooling, three outputs of which the last is always zero."""
    conv, linear = nn.Conv2d(1, 2, 1, bias=False), nn.Linear(4, 3, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
        linear.weight.copy_(torch.tensor([[1.0] * 4, [2.0] * 4, [0.0] * 4]))
    return nn.Sequential(conv, nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), linear)


def test_a_chain_by_hand() -> None:
    one = torch.tensor([[1.0, 0.0, -1.0, -1.0], [0.0, 0.0, -1.0, -1.0]])  # pools to (1, 0) and (0, 1)
    two = torch.tensor([[1.0, -1.0, 1.0, -1.0], [1.0, -1.0, 1.0, -1.0]])  # pools to (1, 1) and (1, 1)
    measured = activations(chain(), Split(torch.stack([one, two]).unsqueeze(1)), device=CPU)
    assert measured == Activations(
        inputs={"0": 1.0, "4": 6 / 8}, outputs={"0": 6 / 8, "4": 2 / 3}, sizes={"0": 4, "4": 3}
    )


def test_the_image_counts_as_full_even_where_it_is_black() -> None:
    measured = activations(chain(), Split(torch.zeros(2, 1, 2, 4)), device=CPU)
    assert measured.inputs["0"] == 1.0
    assert (measured.inputs["4"], measured.outputs["4"]) == (0.0, 0.0)


@settings(max_examples=20, deadline=None)
@given(batch_size=st.integers(1, 9), seed=st.integers(0, 1000))
def test_batches_do_not_matter(batch_size: int, seed: int) -> None:
    split = Split(torch.randn(7, 1, 2, 4, generator=torch.Generator().manual_seed(seed)))
    assert activations(chain(), split, device=CPU, batch_size=batch_size) == activations(chain(), split, device=CPU)


class Branches(nn.Module):
    """``side`` reads the image after ``main`` ran, and ``twice`` runs twice; ``idle`` never does."""

    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Linear(2, 2, bias=False)
        self.side = nn.Linear(2, 2, bias=False)
        self.twice = nn.Linear(2, 2, bias=False)
        self.idle = nn.Linear(2, 2)
        for layer in (self.main, self.side, self.twice):
            nn.init.eye_(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.main(x).relu() + self.side(x)
        return torch.as_tensor(self.twice(self.twice(x).relu()))


def test_each_layer_knows_its_own_input_in_a_network_that_is_no_chain() -> None:
    measured = activations(Branches(), Split(torch.tensor([[1.0, -1.0], [0.0, -2.0]])), device=CPU)
    # side reads (1, -1) and (0, -2); twice reads (2, -1), (0, -2), and then (2, 0), (0, 0)
    assert measured.inputs == {"main": 1.0, "side": 3 / 4, "twice": (3 + 1) / 8, "idle": 1.0}
    assert measured.outputs["side"] == 3 / 4
    assert measured.outputs["twice"] == (1 + 1) / 8  # its first call: what its second reads; its second: the logits
    assert measured.sizes == {"main": 2, "side": 2, "twice": 4, "idle": 0}


def test_sizes_of_lenet5_are_those_after_pooling() -> None:
    fit = partial(adapt, input_shape=(1, 28, 28))
    measured = activations(LeNet5(), Split(torch.randn(3, 1, 14, 14)), device=CPU, adapt=fit)
    assert measured.sizes == {"conv1": 20 * 12 * 12, "conv2": 50 * 4 * 4, "fc1": 500, "fc2": 10}
    assert list(asdict(measured)) == ["inputs", "outputs", "sizes"]


def test_the_mode_is_left_as_it_was() -> None:
    network = chain().train()
    activations(network, Split(torch.zeros(1, 1, 2, 4)), device=CPU)
    assert all(module.training for module in network.modules())


def test_no_image() -> None:
    with pytest.raises(ValueError, match="the number of images is 0"):
        activations(chain(), Split(torch.zeros(0, 1, 2, 4)), device=CPU)
