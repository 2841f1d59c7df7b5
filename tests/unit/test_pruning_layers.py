"""Which parameters are prunable, their names, kinds and units."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.layers import prunable, weights


class Everything(nn.Module):
    """A parameter of every kind, prunable or not."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.place = nn.Parameter(torch.zeros(1, 3, 4))
        self.scale, self.flags = nn.Parameter(torch.ones(1, 1, 4)), nn.Parameter(torch.ones(2, 2).int(), False)
        self.blocks = nn.ModuleList([nn.MultiheadAttention(4, 2), nn.GRU(4, 3), nn.LSTMCell(3, 2)])
        self.norms = nn.ModuleList([nn.LayerNorm([3, 4]), nn.BatchNorm1d(4), nn.GroupNorm(2, 4)])
        self.up, self.conv = nn.ConvTranspose2d(4, 6, 3, groups=2), nn.Conv2d(1, 4, 1, bias=False)
        self.head, self.tied = nn.Linear(4, 1), nn.Linear(4, 5)
        self.tied.weight = self.table.weight


KINDS = {
    "place": "other",
    "table": "embedding",
    "blocks.0.in_proj_weight": "linear",
    "blocks.0.out_proj": "linear",
    "blocks.1.weight_ih_l0": "recurrent",
    "blocks.1.weight_hh_l0": "recurrent",
    "blocks.2.weight_ih": "recurrent",
    "blocks.2.weight_hh": "recurrent",
    "up": "conv",
    "conv": "conv",
    "head": "linear",
}


def test_every_matrix_is_prunable_and_no_bias_or_normalisation() -> None:
    assert {name: layer.kind for name, layer in prunable(Everything()).items()} == KINDS


def test_a_layer_is_the_parameter_of_its_name() -> None:
    network = Everything()
    assert all(network.get_parameter(layer.parameter) is layer.weight for layer in prunable(network).values())
    assert prunable(network)["table"].parameter == "table.weight"
    assert weights(network)["place"] is network.place


def test_patterns_leave_layers_out() -> None:
    left = prunable(Everything(), ["linear", "recurrent"], ["blocks.1.*", "head"])
    assert list(left) == ["blocks.0.in_proj_weight", "blocks.0.out_proj", "blocks.2.weight_ih", "blocks.2.weight_hh"]


def test_a_pattern_without_a_layer_is_refused() -> None:
    with pytest.raises(UserError, match=r"criterion\.exclude: heads matches no layer; layers are place, table, blocks"):
        prunable(Everything(), exclude=["heads"])


def test_nothing_may_be_left() -> None:
    with pytest.raises(UserError, match=r"no prunable layer of kind conv that criterion\.exclude leaves"):
        prunable(Everything(), ["conv"], ["*"])


def test_units_of_a_transposed_convolution_are_its_outputs() -> None:
    """Each output unit's weights give its output, and no other's."""
    torch.manual_seed(0)
    up = nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False)
    layer = prunable(nn.ModuleDict({"up": up}))["up"]
    rows = layer.rows(up.weight)
    assert rows.shape == (6, 2 * 9)
    lost = torch.ones_like(up.weight)
    layer_rows = layer.rows(torch.arange(up.weight.numel()).view(up.weight.shape))
    lost.view(-1)[layer_rows[4]] = 0
    with torch.no_grad():
        up.weight.mul_(lost)
        outputs: Tensor = up(torch.randn(1, 4, 5, 5))
    assert [bool(channel.any()) for channel in outputs[0]] == [True, True, True, True, False, True]
