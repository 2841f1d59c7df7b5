"""Networks that papers prune to sizes that are known beforehand: what their targets leave of the dense networks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import NamedTuple

import torch
from hydra.utils import instantiate
from torch import nn
from torchvision.models import resnet50
from torchvision.models.resnet import Bottleneck, ResNet

from pruneexp.config.skeleton import conf_folder
from pruneexp.cost.flops import dense_flop
from pruneexp.pruning.allocations.predefined import Predefined
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.layers import prunable, weights
from pruneexp.pruning.removal import shrunk
from pruneexp.pruning.select import Allocation, select
from pruneexp.pruning.units.channel import Channel
from pruneexp.schema import Budget
from tests.contracts.composing import composed
from tests.contracts.shipped_networks import printed
from tests.contracts.tracing import traced_by

FOLDER = "rethinking/l1_norm"
PRESETS = sorted(path.stem for path in (conf_folder() / "experiment" / FOLDER).glob("*.yaml"))
#: The presets of ThiNet, by the names of the networks that they prune to.
THINET = {
    "VGG-Conv": "vgg_conv",
    "ResNet50-70%": "resnet50_70",
    "ResNet50-50%": "resnet50_50",
    "ResNet50-30%": "resnet50_30",
}
PHOTO = (3, 224, 224)


def left(
    network: nn.Module,
    shape: tuple[int, ...],
    allocation: Allocation,
    units: float,
    layers: Sequence[str] = ("conv", "linear"),
    exclude: Sequence[str] = (),
) -> nn.Module:
    """What is left of a network without the channels of the smallest L1 norm, of all of which this share stays."""
    trace = traced_by(network, shape)
    scope = prunable(network, layers, exclude)
    masks = select(
        {name: weight.detach() for name, weight in weights(network).items()},
        Budget("units", units), Magnitude(), allocation,
        unit=Channel().grouping(trace, network, scope), generator=torch.Generator(),
    ).masks  # fmt: skip
    masks.apply_(network)
    return shrunk(trace, network, masks).network


@cache
def left_by_preset(name: str, folder: str = FOLDER) -> nn.Module:
    """What a preset leaves of its network with first weights, as many channels as its allocation says.

    Those of the largest L1 norm, also where the score of the preset looks at pictures: sizes are the same.
    """
    config, _ = composed(f"experiment={folder}/{name}")
    network: nn.Module = instantiate(config.model, _convert_="all")
    criterion, (units,) = config.criterion, config.curve.units
    size = config.data.info.image_size
    allocation = instantiate(criterion.allocation)
    return left(network, (3, size, size), allocation, units, criterion.layers, criterion.exclude)


def left_by_thinet(name: str) -> nn.Module:
    """What the preset of ThiNet for this network leaves."""
    return left_by_preset(THINET[name], "rethinking/thinet")


def sizes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shapes of all tensors of a network."""
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def strided_first(network: nn.Module) -> nn.Module:
    """A ResNet-50 whose blocks halve their maps in the first convolution, as that of He et al. 2016 does."""
    for stage in (2, 3, 4):
        for number, stride in ((1, 2), (2, 1)):
            convolution = network.get_submodule(f"layer{stage}.0.conv{number}")
            assert isinstance(convolution, nn.Conv2d)
            convolution.stride = (stride, stride)
    return network


def without_stage_1(network: nn.Module, **left: int) -> nn.Module:
    """A ResNet-50 without the blocks of its first stage, where the projection of the shortcut stays.

    Of other stages as many blocks are ``left``, the first ones.
    """
    network.layer1 = nn.Sequential(network.get_submodule("layer1.0.downsample"), nn.ReLU())
    for stage, count in left.items():
        blocks = network.get_submodule(stage)
        assert isinstance(blocks, nn.Sequential)
        setattr(network, stage, blocks[:count])
    return network


def resnet50_of(*blocks: int) -> nn.Module:
    """A ResNet-50 with so many blocks in its stages, the first of which may have none; on no device."""
    with torch.device("meta"):
        network = ResNet(Bottleneck, [max(1, count) for count in blocks])
        return network if blocks[0] else without_stage_1(network)


def narrow_resnet50(share: float, units: float) -> nn.Module:
    """A ResNet-50 that keeps these shares of filters, rounded down; the presets round to the nearest number."""
    network = strided_first(resnet50())
    return left(network, PHOTO, Predefined({"layer*.conv1": share, "layer*.conv2": share}), units)


@dataclass(frozen=True)
class Target:
    """A network that a paper prunes, with what its printed costs count: FLOP ``per`` multiply-add, not ``without``.

    ``without`` is part of the names of parameters; ``said`` has the same in words.
    """

    network: Callable[[], nn.Module]
    out_of: str
    per: int
    said: str
    without: str = " "


_OPTION_A = "shortcuts without parameters"
#: By the names of printed networks; of those of SSS without ResNet-26, as two choices of blocks have its costs.
TARGETS: Mapping[str, Target] = {
    "ResNet-34-A": Target(partial(left_by_preset, "resnet34_a"), "resnet34", 1, _OPTION_A, "downsample"),
    "ResNet-34-B": Target(partial(left_by_preset, "resnet34_b"), "resnet34", 1, _OPTION_A, "downsample"),
    "VGG-Conv": Target(partial(left_by_thinet, "VGG-Conv"), "vgg16", 2, "no biases", ".bias"),
    "ResNet50-70%": Target(partial(narrow_resnet50, 0.7, 0.801), "resnet50, strides first", 2, ""),
    "ResNet50-50%": Target(
        lambda: strided_first(copy.deepcopy(left_by_thinet("ResNet50-50%"))), "resnet50, strides first", 2, ""
    ),
    "ResNet50-30%": Target(partial(narrow_resnet50, 0.3, 0.537), "resnet50, strides first", 2, ""),
    "ResNet-41": Target(partial(resnet50_of, 0, 4, 6, 3), "resnet50", 1, ""),
    "ResNet-32": Target(partial(resnet50_of, 0, 4, 4, 2), "resnet50", 1, ""),
}


class Counted(NamedTuple):
    """Parameters and FLOP of a network: by our rule, and as its paper counts."""

    parameters: int
    flop: float
    parameters_printed: int
    flop_printed: float


@cache
def counted(name: str) -> Counted:
    """The costs of what is left of a network."""
    target = TARGETS[name]
    network = target.network()
    numbers = {each: parameter.numel() for each, parameter in network.named_parameters()}
    flop = dense_flop(traced_by(network, PHOTO))
    out = [each for each in numbers if target.without in each]
    own = sum(numbers.values()), flop.total
    less = sum(map(numbers.__getitem__, out)), sum(flop.parameters[each] for each in out)
    return Counted(*own, own[0] - less[0], (own[1] - less[1]) * target.per / 2)


def pruned_table() -> Iterator[str]:
    """The lines of the table of pruned networks for ImageNet: ours, then what papers print, and what that counts."""
    yield "| network | of torchvision's | parameters | GFLOP | printed parameters, M | printed GFLOP | which count |"
    yield "|---|---|---:|---:|---:|---:|---|"
    for name, target in TARGETS.items():
        cost, said = counted(name), " | ".join(printed("imagenet")[name, metric] for metric in ("parameters", "flops"))
        rule = ", ".join(filter(None, (f"{target.per} per multiply-add", target.said)))
        yield f"| {name} | `{target.out_of}` | {cost.parameters:,} | {cost.flop / 1e9:.4g} | {said} | {rule} |"
