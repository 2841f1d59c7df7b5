"""VGG for CIFAR: its layers, its poolings on small images, wrong arguments."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pruneexp.models.vgg_cifar import VGG16_WIDTHS, CifarVGG
from pruneexp.pruning.layers import weights
from tests.contracts.networks import NetworkContract

THREE = ((4,), (6, 6), (8,))


class TestCifarVGG(NetworkContract):
    classes = 3
    layers = ("conv1_1", "conv2_1", "conv2_2", "conv3_1", "fc")

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], nn.Module]:
        return lambda: CifarVGG(3, 1, 14, THREE)


class TestCifarVGGWithAHiddenLayer(NetworkContract):
    classes = 3
    layers = ("conv1_1", "conv2_1", "conv2_2", "conv3_1", "hidden", "fc")

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], nn.Module]:
        return lambda: CifarVGG(3, 3, 32, THREE, hidden_units=5)


def test_vgg_16_has_the_convolutions_of_figure_3() -> None:
    """14.71 M of their weights are in convolutions (Liu et al. 2019, Figure 3, whose points are shares of them)."""
    with torch.device("meta"):
        sizes = {name: weight.numel() for name, weight in weights(CifarVGG()).items()}
    assert len(sizes) == 14
    assert sizes.pop("fc") == 512 * 10
    assert sum(sizes.values()) == 14_710_464


@pytest.mark.parametrize(("size", "poolings"), [(32, 4), (28, 3), (14, 2), (12, 2), (3, 0), (224, 4)])
def test_a_pooling_leaves_at_least_two_by_two_pixels(size: int, poolings: int) -> None:
    seen: list[int] = []
    network = CifarVGG(10, 1, size, [[2] * len(stage) for stage in VGG16_WIDTHS])
    network.pool.register_forward_hook(lambda *call: seen.append(call[2].shape[-1]))
    assert network.eval()(torch.zeros(1, 1, size, size)).shape == (1, 10)
    assert len(seen) == sum(network.poolings) == poolings
    assert min(seen, default=2) >= 2


def test_it_starts_as_in_the_code_of_liu() -> None:
    torch.manual_seed(0)
    network = CifarVGG(widths=[[64], [64]])
    state = network.state_dict()
    assert set(state["norm1_1.weight"].tolist()) == {0.5}
    assert float(state["conv2_1.weight"].std()) == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)
    assert float(state["fc.weight"].std()) == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"num_classes": 1}, "num_classes is 1, must be at least 2"),
        ({"channels": 0}, "channels is 0, must be at least 1"),
        ({"image_size": 0}, "image_size is 0, must be at least 1"),
        ({"hidden_units": 0}, "hidden_units is 0, must be at least 1"),
        ({"gamma": 0.0}, "gamma is 0.0, must be above 0"),
        ({"widths": [64, 64]}, r"widths is \[64, 64\], must be a list of lists of whole numbers, each at least 1"),
        ({"widths": 64}, "widths is 64, must be a list of lists"),
        ({"widths": []}, r"widths is \[\], must be a list of lists"),
        ({"widths": [[64], []]}, "widths is .*, must be a list of lists"),
        ({"widths": [[64], [0.5]]}, "widths is .*, must be a list of lists"),
        ({"widths": [[64], [0]]}, "widths is .*, must be a list of lists"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CifarVGG(**arguments)  # type: ignore[arg-type]
