"""Channels taken out of torchvision's networks: the small one computes what the masked one does."""

from __future__ import annotations

import pytest
import torch
import torchvision

from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.layers import weights
from pruneexp.schema import Budget
from tests.contracts.channels import apart, cut, grouping, restless, settled

pytestmark = pytest.mark.slow

FAMILIES = (
    "resnet18", "vgg11_bn", "mobilenet_v2", "mobilenet_v3_small", "densenet121", "googlenet", "squeezenet1_1",
    "shufflenet_v2_x0_5", "efficientnet_b0", "regnet_y_400mf", "mnasnet0_5", "alexnet", "resnext50_32x4d",
)  # fmt: skip
SHAPE = (3, 64, 64)


def built(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    settings = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    network: torch.nn.Module = torchvision.models.get_model(name, num_classes=10, **settings)
    return restless(network)


@pytest.mark.parametrize("name", FAMILIES)
def test_half_of_the_channels_of_each_set_go(name: str) -> None:
    network = built(name)
    masks = cut(network, SHAPE, Budget("units", 0.5), PerLayer()).masks
    difference, small = apart(settled(network, masks, SHAPE), masks, SHAPE)
    assert difference < 1e-5
    assert sum(weight.numel() for weight in weights(small).values()) == masks.kept < 0.35 * masks.total


# Of mobilenets a global threshold leaves one channel of a layer near the end, whose weights are the least untrained.
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "mobilenet_v2", "mobilenet_v3_small"])
def test_a_density_over_all_layers_is_reached(name: str) -> None:
    network = built(name)
    masks = cut(network, SHAPE, Budget("density", 0.5), GlobalThreshold()).masks
    difference, small = apart(settled(network, masks, SHAPE), masks, SHAPE)
    assert difference < 1e-5
    assert 0.49 < sum(weight.numel() for weight in weights(small).values()) / masks.total <= 0.5


def test_of_convnext_hidden_units_alone_go_as_its_channels_pass_through_layer_norm() -> None:
    network = built("convnext_tiny")
    found = grouping(network, SHAPE)
    assert len(found.of.sets) == 18
    assert all(name.endswith("block.3") for name in found.of.sets)
    assert {found.of.held[name] for name in ("features.0.0", "features.1.0.block.0")} == {"LayerNorm"}
    difference, _ = apart(network, cut(network, SHAPE, Budget("units", 0.5)).masks, SHAPE)
    assert difference < 1e-5
