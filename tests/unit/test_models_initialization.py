"""Initial weights: their spread, by kind of layer, and zero biases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from pruneexp.models.initialization import he_, lecun_


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
