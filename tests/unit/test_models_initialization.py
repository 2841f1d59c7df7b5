"""Initial weights: their spread, by kind of layer, and zero biases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pruneexp.models.initialization import he_, he_fan_out_, lecun_


@pytest.mark.parametrize(("draw", "numerator"), [(lecun_, 1.0), (he_, 2.0)])
@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [(nn.Linear(200, 300), 200), (nn.Conv2d(64, 128, 3, groups=2), 32 * 9), (nn.Conv1d(40, 200, 5), 200)],
)
def test_spread(draw: Callable[[nn.Module], None], numerator: float, layer: nn.Module, fan_in: int) -> None:
    torch.manual_seed(0)
    draw(layer)
    assert isinstance(layer.weight, torch.Tensor)
    assert isinstance(layer.bias, torch.Tensor)
    weight = layer.weight.detach()
    assert float(weight.var()) == pytest.approx(numerator / fan_in, rel=0.05)
    assert float(weight.mean()) == pytest.approx(0.0, abs=0.001)
    assert not layer.bias.any()


def test_other_layers_are_left_alone() -> None:
    normalisation = nn.BatchNorm1d(4)
    nn.init.constant_(normalisation.weight, 3.0)
    he_(nn.Sequential(nn.Linear(4, 4, bias=False), normalisation))
    assert normalisation.weight.detach().tolist() == [3.0] * 4


def test_scaled_by_fan_out_as_in_the_code_of_liu() -> None:
    """There ``normal_(0, sqrt(2 / n))``, n = kernel x kernel x out_channels; linear weights of VGGs have std 0.01."""
    torch.manual_seed(0)
    linear = nn.Linear(200, 300)
    network = nn.Sequential(nn.Conv2d(32, 128, 3, bias=False), nn.BatchNorm2d(128), linear)
    before = linear.weight.detach().clone()
    he_fan_out_(network, gamma=0.5)
    convolution, normalisation = network[0], network[1]
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(normalisation, nn.BatchNorm2d)
    assert float(convolution.weight.detach().var()) == pytest.approx(2 / (128 * 9), rel=0.05)
    assert normalisation.weight.detach().tolist() == [0.5] * 128
    assert torch.equal(linear.weight.detach(), before)
    he_fan_out_(network, linear_std=0.01)
    assert normalisation.weight.detach().tolist() == [1.0] * 128
    assert float(linear.weight.detach().std()) == pytest.approx(0.01, rel=0.05)
    assert not linear.bias.any()
