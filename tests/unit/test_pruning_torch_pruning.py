"""Channels scored and cut as torch-pruning does it, which knows nothing of this project (Fang et al. 2023).

Its groups hold all that a channel takes along, and its importance sums over rows, columns and scales of normalisation
alike. Ours is of rows alone, as in Li et al. 2017: the same where a group is cut down to the outputs of its layers.
Sums and means over layers then rank alike, as all channels of a set are made by the same layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch_pruning
from torch import Tensor, nn
from torchvision.models import resnet18

from pruneexp.models.resnet_cifar import CifarResNet
from pruneexp.models.vgg_cifar import CifarVGG
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.criteria.squared_magnitude import SquaredMagnitude
from pruneexp.pruning.layers import prunable, weights
from pruneexp.pruning.removal import shrunk
from pruneexp.pruning.scales import scales_of_channels
from pruneexp.pruning.select import Criterion, select
from pruneexp.schema import Budget
from tests.contracts.channels import grouping
from tests.contracts.tracing import traced_by

SHAPE = (3, 32, 32)
#: Ours, and theirs that ranks the channels of a set alike. A further rule is one line.
RULES: dict[str, tuple[Criterion, Any]] = {
    "L1": (Magnitude(), torch_pruning.importance.MagnitudeImportance(p=1, group_reduction="sum", normalizer=None)),
    "L1, mean": (Magnitude(), torch_pruning.importance.MagnitudeImportance(p=1, group_reduction="mean")),
    "L2": (
        SquaredMagnitude(),
        torch_pruning.importance.MagnitudeImportance(p=2, group_reduction="sum", normalizer=None),
    ),
}
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "vgg_small": lambda: CifarVGG(widths=((32,), (64,), (128,))),
    "resnet20": lambda: CifarResNet(depth=20),
    "resnet18": lambda: resnet18(num_classes=10),  # additions couple the outputs of whole stages
}


def outputs(group: Any) -> Any:
    """The part of a group that makes its channels."""
    makes = (torch_pruning.prune_conv_out_channels, torch_pruning.prune_linear_out_channels)
    found = torch_pruning.dependency.Group()
    found._group = [item for item in group if item.dep.handler in makes]
    return found


def drawn(name: str) -> nn.Module:
    torch.manual_seed(0)
    return NETWORKS[name]().eval()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("rule", RULES)
def test_scores_of_channels_are_the_same_but_for_a_factor(network: str, rule: str) -> None:
    of, (criterion, theirs) = drawn(network), RULES[rule]
    scores = criterion({name: weight.detach() for name, weight in weights(of).items()}, torch.Generator())
    graph = torch_pruning.DependencyGraph().build_dependency(of, torch.randn(1, *SHAPE))
    found = grouping(of, SHAPE).means(scores)
    assert len(found) >= 3
    for name, own in found.items():
        group = graph.get_pruning_group(of.get_submodule(name), torch_pruning.prune_conv_out_channels, range(len(own)))
        said: Tensor = theirs(outputs(group)).double()
        torch.testing.assert_close(own / own.mean(), said / said.mean(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("network", NETWORKS)
def test_channels_have_the_mean_of_their_scales_of_normalisation(network: str) -> None:
    of = drawn(network)
    for module in of.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
    scales = scales_of_channels(of, traced_by(of, SHAPE), prunable(of, ("conv",)))
    found = grouping(of, SHAPE).means({name: scales[name].expand(weight.shape) for name, weight in weights(of).items()
                                       if name in scales})  # fmt: skip
    graph = torch_pruning.DependencyGraph().build_dependency(of, torch.randn(1, *SHAPE))
    theirs = torch_pruning.importance.BNScaleImportance(normalizer=None)
    for name, own in found.items():
        group = graph.get_pruning_group(of.get_submodule(name), torch_pruning.prune_conv_out_channels, range(len(own)))
        torch.testing.assert_close(own, theirs(group).double(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_same_channels_go_and_leave_the_same_network(network: str) -> None:
    of, other = drawn(network), drawn(network)
    units = grouping(of, SHAPE)
    masks = select(
        {name: weight.detach() for name, weight in weights(of).items()}, Budget("units", 0.5), Magnitude(), PerLayer(),
        unit=units, generator=torch.Generator(),
    ).masks  # fmt: skip
    masks.apply_(of)
    small = shrunk(traced_by(of, SHAPE), of, masks).network
    _cut(other, [name for each in units.of.sets.values() for name in each.producers])
    wanted, found = other.state_dict(), small.state_dict()
    assert wanted.keys() == found.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0, msg=name)


def _cut(network: nn.Module, layers: Sequence[str]) -> None:
    """Take half of the channels of each of these layers out, by the L1 norm, with torch-pruning."""
    modules = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}
    pruner = torch_pruning.pruner.BasePruner(
        network, torch.randn(1, *SHAPE), importance=lambda group: RULES["L1"][1](outputs(group)), pruning_ratio=0.5,
        ignored_layers=[module for name, module in modules.items() if name not in layers],
    )  # fmt: skip
    pruner.step()
