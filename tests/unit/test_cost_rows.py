"""Rows and totals of a small network, worked out by hand."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import torch
from torch import nn

from pruneexp.cost.activations import Activations
from pruneexp.cost.counts import count_layers
from pruneexp.cost.flops import by_layer, dense_flop
from pruneexp.cost.rows import layer_rows, totals
from pruneexp.schema import LayerRow
from tests.contracts.tracing import traced_by


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))


ACTIVATIONS = Activations(
    inputs={"0": 1.0, "3": 0.5, "5": 0.25}, outputs={"0": 0.5, "3": 0.25, "5": 1.0}, sizes={"0": 8, "3": 4, "5": 2}
)


def masks() -> dict[str, torch.Tensor]:
    """A quarter of the convolution, half of the first linear layer; the last layer has no mask."""
    conv = torch.zeros(2, 1, 2, 2, dtype=torch.bool)
    conv[0, 0, 0] = True
    linear = torch.zeros(4, 8, dtype=torch.bool)
    linear[:2] = True
    return {"0": conv, "3": linear}


def effective() -> dict[str, torch.Tensor]:
    """By parameter: the convolution's second map is dead, and its four columns of the linear layer go with it."""
    left = masks()["3"].clone()
    left[:, 4:] = False
    last = torch.tensor([[True, True, False, False]] * 2)
    return {"0.weight": torch.ones(2, 1, 2, 2, dtype=torch.bool), "3.weight": left, "5.weight": last}


def everything(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: torch.ones_like(parameter, dtype=torch.bool) for name, parameter in model.named_parameters()}


def flop(model: nn.Module) -> dict[str, float]:
    return by_layer(model, dense_flop(traced_by(model, (1, 3, 3))))


def rows() -> tuple[LayerRow, ...]:
    model = network()
    counts = count_layers(model, masks(), effective())
    return layer_rows(counts, flop(model), ACTIVATIONS)


def test_rows_by_hand() -> None:
    conv, linear, last = rows()
    assert conv == LayerRow(
        layer="0",
        kind="conv",
        weights_total=8,
        weights_kept=2,
        density=0.25,
        density_effective=0.25,
        flop=2 * 8 * 4,
        activation_share=0.5,
        flop_share=0.25,
        neurons_total=2,
        neurons_dead=1,
        bytes_dense=32,
        bytes_sparse=10,
        kernel="1 1;0 0",
    )
    assert (linear.density, linear.density_effective, linear.flop, linear.flop_share) == (0.5, 0.25, 64, 0.25)
    assert (linear.neurons_total, linear.neurons_dead, linear.bytes_sparse) == (4, 2, 16 * 37 // 8)
    assert (last.density, last.density_effective, last.activation_share, last.flop_share) == (1.0, 0.5, 1.0, 0.25)


def test_totals_by_hand() -> None:
    assert totals(rows(), ACTIVATIONS) == {
        "density": 26 / 48,
        "density_effective": (2 + 8 + 4) / 48,
        "weights_total": 48,
        "weights_kept": 26,
        "flop_dense": 64 + 64 + 16,
        "flop_weights": 16 + 32 + 16,
        "flop_effective": 16 + 16 + 4,
        "activation_share": (0.5 * 8 + 0.25 * 4 + 1.0 * 2) / 14,
        "neurons_total": 8,
        "neurons_dead": 3,
        "bytes_dense": 192,
        "bytes_sparse": 10 + 74 + 32,  # the last lost nothing
    }


def test_a_dense_network_costs_everything() -> None:
    model = network()
    full = Activations(inputs=dict.fromkeys("035", 1.0), outputs=dict.fromkeys("035", 1.0), sizes=ACTIVATIONS.sizes)
    whole = totals(layer_rows(count_layers(model, {}, everything(model)), flop(model), full), full)
    assert whole["density"] == whole["density_effective"] == whole["activation_share"] == 1.0
    assert whole["flop_dense"] == whole["flop_weights"] == whole["flop_effective"]
    assert whole["neurons_dead"] == 0


def test_where_all_is_effective_the_masks_count() -> None:
    counts = count_layers(network(), masks(), everything(network()))
    assert [c.weights_effective for c in counts] == [c.weights_kept for c in counts] == [2, 16, 8]


def test_counts_and_activations_survive_json() -> None:
    counts = count_layers(network(), masks(), effective())
    assert [type(counts[0])(**row) for row in json.loads(json.dumps([asdict(c) for c in counts]))] == list(counts)
    assert Activations(**json.loads(json.dumps(asdict(ACTIVATIONS)))) == ACTIVATIONS


def test_a_mask_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"the mask of 3 has shape \(2,\), must be \(4, 8\)"):
        count_layers(network(), {"3": torch.ones(2, dtype=torch.bool)}, everything(network()))


def test_kept_weights_are_counted_at_each_place_of_the_kernels() -> None:
    layers = nn.Sequential(nn.Conv2d(2, 3, (2, 3)), nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(4, 2))
    mask = torch.zeros(3, 2, 2, 3, dtype=torch.bool)
    mask[0, :, 0, 1] = mask[2, 1, 1, 2] = mask[1, 0, 1, 2] = True
    counts = count_layers(layers, {"0": mask}, everything(layers))
    assert [count.kernel for count in counts] == ["0 2 0;0 0 2", None, None]
