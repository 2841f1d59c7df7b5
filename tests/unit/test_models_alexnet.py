"""AlexNet: sizes of Han et al. 2015, Table 4, smaller images, and its normalisation against torch's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pruneexp.models.alexnet import AlexNet
from pruneexp.models.normalization import LocalResponseNorm
from pruneexp.pruning.layers import weights
from tests.contracts.networks import NetworkContract


class TestAlexNet(NetworkContract):
    classes = 3
    layers = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc1", "fc2", "fc3")

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], nn.Module]:
        return lambda: AlexNet(num_classes=3, channels=1, image_size=67)


def test_sizes_of_table_4() -> None:
    with torch.device("meta"):
        network = AlexNet()
    sizes = {name: weight.numel() for name, weight in weights(network).items()}
    assert sizes == {
        "conv1": 34_848,
        "conv2": 307_200,
        "conv3": 884_736,
        "conv4": 663_552,
        "conv5": 442_368,
        "fc1": 37_748_736,
        "fc2": 16_777_216,
        "fc3": 4_096_000,
    }
    assert sum(p.numel() for p in network.parameters()) == 60_965_224  # as Caffe counts its bvlc_alexnet


@pytest.mark.parametrize(("size", "inputs"), [(67, 256), (98, 256), (99, 1024), (227, 9216), (300, 16384)])
def test_the_image_size_changes_fc1_alone(size: int, inputs: int) -> None:
    with torch.device("meta"):
        network = AlexNet(num_classes=10, image_size=size)
        assert network(torch.zeros(2, 3, size, size)).shape == (2, 10)
    assert network.fc1.in_features == inputs


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"image_size": 66}, "image_size is 66, must be at least 67"),
        ({"num_classes": 0}, "num_classes is 0, must be at least 2"),
        ({"channels": 0}, "channels is 0, must be at least 1"),
        ({"dropout": 1.0}, r"dropout is 1.0, must be in \[0, 1\)"),
    ],
)
def test_wrong_arguments(arguments: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AlexNet(**arguments)


def test_dropout_stands_before_fc2_and_fc3_at_the_asked_rate() -> None:
    with torch.device("meta"):
        network = AlexNet(dropout=0.25)
    assert (network.dropout1.p, network.dropout2.p) == (0.25, 0.25)


def test_initial_logits_are_neither_lost_nor_loud() -> None:
    torch.manual_seed(0)
    network = AlexNet(num_classes=10, image_size=67).eval()
    with torch.no_grad():
        spread = float(network(torch.randn(8, 3, 67, 67)).std())
    assert 0.1 < spread < 1.5  # a numerator of 2 gives 5.8; Caffe's std of 0.01 gives next to nothing


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(2, 9), st.integers(1, 4), st.integers(1, 4)),
    scale=st.sampled_from([1e-3, 1.0, 300.0]),
    seed=st.integers(0, 2**16),
)
def test_normalisation_equals_torchs(shape: tuple[int, int, int, int], scale: float, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    x = (torch.randn(shape, generator=draw, dtype=torch.float64) * scale).requires_grad_()
    gradient = torch.randn(shape, generator=draw, dtype=torch.float64)
    ours, theirs = LocalResponseNorm()(x), nn.LocalResponseNorm(5)(x)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(torch.autograd.grad(ours, x, gradient), torch.autograd.grad(theirs, x, gradient))


def test_normalisation_by_hand() -> None:
    x = torch.tensor([100.0, 0.0, 200.0, 0.0, 0.0, 300.0]).view(1, 6, 1, 1)
    alpha = 1e-4 / 5
    expected = [
        100 / (1 + alpha * (100**2 + 200**2)) ** 0.75,
        0.0,
        200 / (1 + alpha * (100**2 + 200**2)) ** 0.75,
        0.0,
        0.0,
        300 / (1 + alpha * 300**2) ** 0.75,
    ]
    torch.testing.assert_close(LocalResponseNorm()(x).flatten(), torch.tensor(expected))


def test_normalisation_runs_stacked() -> None:
    x = torch.randn(2, 3, 6, 2, 2)
    norm = LocalResponseNorm()
    stacked = torch.func.vmap(norm)(x)
    torch.testing.assert_close(stacked, torch.stack([norm(one) for one in x]))
