"""FLOP of torchvision's families equal those of torch's own counter."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from pruneexp.cost.flops import dense_flop
from tests.contracts.tracing import traced_by

FAMILIES = [
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "maxvit_t",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_t",
    "vit_b_32",
]


@pytest.mark.parametrize("name", FAMILIES)
def test_equals_torchs_counter(name: str) -> None:
    with torch.device("meta"):
        network = torchvision.models.get_model(name)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.zeros(1, 3, 224, 224, device="meta"))
    assert dense_flop(traced_by(network, (3, 224, 224))).total == counter.get_total_flops()


def test_windows_of_attention() -> None:
    """GFLOP of swin_t: by weights, and with the products of activations."""
    with torch.device("meta"):
        network = torchvision.models.get_model("swin_t")
    flop = dense_flop(traced_by(network, (3, 224, 224)))
    assert (sum(flop.parameters.values()) / 1e9, flop.total / 1e9) == pytest.approx((8.701, 8.981), rel=1e-4)
