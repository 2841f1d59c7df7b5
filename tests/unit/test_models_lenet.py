"""The LeNets: sizes of Han et al. 2015, Tables 2 and 3, other image sizes, wrong arguments."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pruneexp.models.lenet import LeNet5, LeNet300100
from pruneexp.pruning.layers import weights
from tests.contracts.networks import NetworkContract


class TestLeNet300100(NetworkContract):
    classes = 10
    layers = ("fc1", "fc2", "fc3")

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], nn.Module]:
        return LeNet300100

    def test_sizes_of_table_2(self) -> None:
        sizes = {name: weight.numel() for name, weight in weights(LeNet300100()).items()}
        assert sizes == {"fc1": 235_200, "fc2": 30_000, "fc3": 1_000}
        assert sum(p.numel() for p in LeNet300100().parameters()) == 266_610

    def test_dropout_is_of_both_hidden_layers_and_in_training_alone(self) -> None:
        plain, dropping = LeNet300100(), LeNet300100(dropout=0.5)
        dropping.load_state_dict(plain.state_dict())
        images = torch.rand(4, 1, 28, 28)
        assert torch.equal(dropping.eval()(images), plain.eval()(images))
        assert not torch.equal(dropping.train()(images), plain.train()(images))
        assert [type(each).__name__ for each in plain.modules()].count("Dropout") == 0
        assert [each.p for each in dropping.modules() if isinstance(each, nn.Dropout)] == [0.5, 0.5]


class TestLeNet5(NetworkContract):
    classes = 10
    layers = ("conv1", "conv2", "fc1", "fc2")

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], nn.Module]:
        return LeNet5

    def test_sizes_of_table_3(self) -> None:
        sizes = {name: weight.numel() for name, weight in weights(LeNet5()).items()}
        assert sizes == {"conv1": 500, "conv2": 25_000, "fc1": 400_000, "fc2": 5_000}

    def test_relu_after_pooling_is_relu_before_it(self) -> None:
        network = LeNet5().eval()
        image = torch.randn(2, 1, 28, 28)
        x = network.pool(network.conv1(image).relu())
        x = network.pool(network.conv2(x).relu())
        expected = network.fc2(network.fc1(x.flatten(1)).relu())
        assert torch.equal(network(image), expected)


@pytest.mark.parametrize("network", [LeNet300100, LeNet5])
@pytest.mark.parametrize(("channels", "size"), [(1, 16), (3, 32), (2, 29)])
def test_other_images(network: Callable[..., nn.Module], channels: int, size: int) -> None:
    built = network(num_classes=7, channels=channels, image_size=size)
    assert built(torch.zeros(1, channels, size, size)).shape == (1, 7)


@pytest.mark.parametrize(
    ("network", "arguments", "said"),
    [
        (LeNet300100, {"num_classes": 1}, "num_classes is 1, must be at least 2"),
        (LeNet300100, {"image_size": 0}, "image_size is 0, must be at least 1"),
        (LeNet300100, {"dropout": 1}, r"dropout is 1, must be in \[0, 1\)"),
        (LeNet5, {"channels": 0}, "channels is 0, must be at least 1"),
        (LeNet5, {"image_size": 15}, "image_size is 15, must be at least 16"),
    ],
)
def test_wrong_arguments(network: Callable[..., nn.Module], arguments: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        network(**arguments)
