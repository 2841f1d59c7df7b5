"""Effective weights of the networks for CIFAR: as values and gradients have them, in networks made smooth."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from pruneexp.models.densenet import DenseNet
from pruneexp.models.preresnet import PreResNet
from pruneexp.models.resnet_cifar import CifarResNet
from pruneexp.models.vgg_cifar import CifarVGG
from pruneexp.pruning.liveness import liveness
from tests.contracts import wired
from tests.contracts.tracing import traced_by

CHANNELS, SIZE, _ = wired.SHAPE

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "vgg": lambda: CifarVGG(3, CHANNELS, SIZE, [[3, 4], [5]]),
    "resnet": lambda: CifarResNet(3, CHANNELS, SIZE, 8, (3, 4, 5), [[2], [3], [4]]),
    "preresnet": lambda: PreResNet(3, CHANNELS, SIZE, 11, (2, 3, 4)),
    "densenet": lambda: DenseNet(3, CHANNELS, SIZE, 10, 2),
    "densenet_bc": lambda: DenseNet(3, CHANNELS, SIZE, 10, 2, bottleneck=True, compression=0.5),
}


def smooth(network: nn.Module) -> nn.Module:
    """The network with other non-linearities and poolings, through which every gradient passes."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Tanh())
            elif isinstance(child, nn.MaxPool2d):
                setattr(module, name, nn.AvgPool2d(child.kernel_size))
    return network.eval()


@pytest.mark.parametrize("density", [0.1, 0.3])
@pytest.mark.parametrize("name", NETWORKS)
def test_effective_weights_are_those_with_a_gradient(name: str, density: float) -> None:
    effective, kept = 0, 0
    for seed in range(5):
        net = smooth(NETWORKS[name]())
        wired.prune_(net, density, seed)
        matrices = {each: parameter != 0 for each, parameter in net.named_parameters() if parameter.ndim > 1}
        found = liveness(traced_by(net, wired.SHAPE), net.state_dict(), matrices)
        assert not found.unfollowed
        for layer, wanted in wired.effective_by_gradients(copy.deepcopy(net).double()).items():
            assert torch.equal(found.effective[layer], wanted), layer
            effective, kept = effective + int(wanted.sum()), kept + int(matrices[layer].sum())
    assert 0 < effective < kept
