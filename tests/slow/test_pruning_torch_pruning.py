"""Channels scored and cut as torch-pruning does it, which knows nothing of this project (Fang et al. 2023).

Its groups hold all that a channel takes along, and its importance sums over rows, columns and scales of normalisation
alike. Ours is of rows alone, as in Li et al. 2017: the same where a group is cut down to the outputs of its layers.
Sums and means over layers then rank alike, as all channels of a set are made by the same layers. Network Slimming ranks
whole groups by their scales of normalisation, those of all layers together. A set of which its threshold leaves nothing
keeps one channel here and all there; none of these networks has one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch_pruning
from torch import Tensor, nn
from torchvision.models import resnet18

from pruneexp.models.densenet import DenseNet
from pruneexp.models.preresnet import PreResNet
from pruneexp.models.resnet_cifar import CifarResNet
from pruneexp.models.vgg_cifar import CifarVGG
from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.criteria.channel_scale import ChannelScale
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.criteria.squared_magnitude import SquaredMagnitude
from pruneexp.pruning.layers import prunable, weights
from pruneexp.pruning.removal import shrunk
from pruneexp.pruning.scales import scales_of_channels
from pruneexp.pruning.select import Allocation, Criterion, select
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
    "preresnet20": lambda: PreResNet(depth=20, widths=(6, 8, 10)),  # several normalisations along one stream
    "densenet10": lambda: DenseNet(depth=10, growth=12),  # several normalisations behind one concatenation
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


def scaled(name: str) -> nn.Module:
    """The network with scales of normalisation of both signs."""
    of = drawn(name)
    for module in of.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
    return of


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
    of = scaled(network)
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
    importance = RULES["L1"][1]
    _same(_left(drawn(network), Magnitude(), PerLayer()),
          _theirs(drawn(network), lambda group: importance(outputs(group)), whole=False))  # fmt: skip


@pytest.mark.parametrize("network", NETWORKS)
def test_slimming_cuts_the_same_channels_by_one_threshold_and_leaves_the_same_network(network: str) -> None:
    of = scaled(network)
    score = ChannelScale().informed({
        "channel_scales": scales_of_channels(of, traced_by(of, SHAPE), prunable(of, ("conv",)))
    })  # fmt: skip
    theirs = torch_pruning.importance.BNScaleImportance(normalizer=None)
    _same(_left(of, score, GlobalThreshold()), _theirs(scaled(network), theirs, whole=True))


def _left(of: nn.Module, score: Criterion, allocation: Allocation) -> nn.Module:
    """The network without half of its channels, by our scores."""
    masks = select(
        {name: weight.detach() for name, weight in weights(of).items()}, Budget("units", 0.5), score, allocation,
        unit=grouping(of, SHAPE), generator=torch.Generator(),
    ).masks  # fmt: skip
    masks.apply_(of)
    return shrunk(traced_by(of, SHAPE), of, masks).network


def _theirs(of: nn.Module, importance: Callable[[Any], Tensor], whole: bool) -> nn.Module:
    """The network without half of its channels, of each set or of the ``whole`` network, with torch-pruning."""
    makers = {name for each in grouping(of, SHAPE).of.sets.values() for name in each.producers}
    stay = [module for name, module in of.named_modules()
            if isinstance(module, nn.Conv2d | nn.Linear) and name not in makers]  # fmt: skip
    pruner = torch_pruning.pruner.BasePruner(
        of, torch.randn(1, *SHAPE), importance=importance, pruning_ratio=0.5, global_pruning=whole, ignored_layers=stay
    )
    pruner.step()
    return of


def _same(ours: nn.Module, theirs: nn.Module) -> None:
    wanted, found = theirs.state_dict(), ours.state_dict()
    assert wanted.keys() == found.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0, msg=name)
