"""Heads and residual branches taken out of networks of torchvision and timm."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
import torchvision
from torch import nn

from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.layers import prunable, weights
from pruneexp.pruning.removal import removed
from pruneexp.pruning.select import select
from pruneexp.pruning.units.head import Head
from pruneexp.pruning.units.residual_branch import ResidualBranch
from pruneexp.pruning.units.unit import NetworkUnit
from pruneexp.schema import Budget
from tests.contracts.channels import restless, settled
from tests.contracts.tracing import traced_by

pytestmark = pytest.mark.slow

SHAPE = (3, 64, 64)
VIT, OF_TIMM = "vit", "vit_tiny_patch16_224"


def built(name: str) -> nn.Module:
    torch.manual_seed(0)
    if name == VIT:
        network = torchvision.models.VisionTransformer(64, 16, 3, 4, 32, 64, num_classes=5)
        nn.init.normal_(network.get_parameter("heads.head.weight"))  # zeros at first
    elif name == OF_TIMM:
        network = timm.create_model(name, num_classes=5, img_size=64, depth=3)
    else:
        network = torchvision.models.get_model(name, num_classes=5)
    return restless(network)


@pytest.mark.parametrize(
    ("unit", "name", "units"),
    [
        (Head(), VIT, 3 * 4),
        (Head(), OF_TIMM, 3 * 3),
        (ResidualBranch(), VIT, 3 * 2 - 1),  # of the class token, one attention must stay
        (ResidualBranch(), OF_TIMM, 3 * 2 - 1),
        (ResidualBranch(), "resnet50", 12),
        (ResidualBranch(), "mobilenet_v3_small", 6),
        (ResidualBranch(), "efficientnet_b0", 9),
    ],
)
def test_the_small_network_computes_what_the_masked_one_does(unit: NetworkUnit, name: str, units: int) -> None:
    network = built(name)
    found = unit.grouping(traced_by(network, SHAPE), network, prunable(network))
    assert sum(len(sizes) for sizes in found.sizes.values()) == units
    masks = select(
        {layer: weight.detach() for layer, weight in weights(network).items()}, Budget("units", 0.5), Magnitude(),
        GlobalThreshold(), unit=found, min_keep=0, generator=torch.Generator(),
    ).masks  # fmt: skip
    masked = settled(copy.deepcopy(network), masks, SHAPE)
    small, images = removed(masked, masks, torch.randn(2, *SHAPE)).network, torch.randn(3, *SHAPE)
    with torch.no_grad():
        wanted, made = masked(images), small(images)
    assert (wanted - made).abs().max() < 1e-5 * wanted.abs().max()
    assert wanted.std(0).max() > 1e-3 * wanted.abs().max()
    assert sum(weight.numel() for weight in weights(small).values()) == masks.kept < masks.total
