"""The costs of the networks that we ship, beside what papers print of them: what docs/networks.md has in its tables."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from pruneexp.cost.flops import dense_flop
from pruneexp.stages.scratch import equal_compute
from tests.contracts.composing import composed
from tests.contracts.tracing import traced_by

REFERENCE = Path(__file__).parents[2] / "analysis/reference"
EPOCHS = 160  # of dense training on CIFAR in Liu et al. 2019

#: Overrides of each network for CIFAR, by the name that papers give it.
CIFAR = {
    "VGG (small)": ("vgg_small",),
    "VGG-16": ("vgg16_cifar",),
    "VGG-16, hidden layer": ("vgg16_cifar", "model.hidden_units=512"),
    "VGG-16-A": ("vgg16_cifar_a",),
    "VGG-19": ("vgg19_cifar",),
    "ResNet-20": ("resnet20",),
    "ResNet-56": ("resnet56",),
    "ResNet-56-A": ("resnet56_a",),
    "ResNet-56-B": ("resnet56_b",),
    "ResNet-110": ("resnet110",),
    "ResNet-110-A": ("resnet110_a",),
    "ResNet-110-B": ("resnet110_b",),
    "PreResNet-110": ("preresnet110",),
    "PreResNet-164": ("preresnet164",),
    "DenseNet-40": ("densenet40",),
    "DenseNet-BC-100": ("densenet_bc_100",),
}
#: Networks for other images, by their overrides with the data that they are counted on.
OTHERS = {
    "LeNet-300-100": ("lenet_300_100", "data=mnist"),
    "LeNet-5": ("lenet5", "data=mnist"),
    "AlexNet": ("alexnet", "data=imagenet"),
    "VGG-16": ("vgg16", "data=imagenet"),
    **{
        name: ("torchvision", f"model.name={name}", "data=imagenet")
        for name in ("alexnet", "vgg11", "vgg11_bn", "vgg16", "vgg16_bn", "resnet18", "resnet34", "resnet50",
                     "mobilenet_v2", "googlenet", "squeezenet1_0", "squeezenet1_1", "vit_b_16")
    },
    "vit_small_patch16_224": ("timm", "model.name=vit_small_patch16_224", "data=imagenet"),
}  # fmt: skip
#: The networks that Li et al. 2017 prune, each with that it is pruned out of.
PRUNED = {
    "VGG-16-A": "VGG-16, hidden layer",
    "ResNet-56-A": "ResNet-56",
    "ResNet-56-B": "ResNet-56",
    "ResNet-110-A": "ResNet-110",
    "ResNet-110-B": "ResNet-110",
}


@dataclass(frozen=True)
class NetworkCost:
    """Parameters; FLOP for one image by our rule, and by that of the code of Liu et al. 2019."""

    parameters: int
    flop: float
    flop_of_liu: float


@cache
def cost_of(model: str, *overrides: str) -> NetworkCost:
    """The costs of ``model=MODEL OVERRIDES``, on CIFAR-10 where the overrides name no other data."""
    config, _ = composed(f"model={model}", *(() if any("data=" in each for each in overrides) else ("data=cifar10",)),
                         *overrides)  # fmt: skip
    with torch.device("meta"):
        network: nn.Module = instantiate(config.model, _convert_="all")
    shape = network.input_shape
    assert isinstance(shape, tuple)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return NetworkCost(parameters, dense_flop(traced_by(network, shape)).total, _flop_of_liu(network, shape))


def _flop_of_liu(network: nn.Module, shape: tuple[int, ...]) -> float:
    """2 per weight of a product and 1 per bias, 2 per element of a normalisation, 1 of a ReLU, k x k of a pooling."""
    counted: list[float] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d | nn.Linear):
            counted.append((2 * module.weight[0].numel() + (module.bias is not None)) * output.numel())
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            counted.append(2 * inputs[0].numel())
        elif isinstance(module, nn.ReLU):
            counted.append(inputs[0].numel())
        elif isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            assert isinstance(module.kernel_size, int)
            counted.append(module.kernel_size**2 * output.numel())

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    with torch.no_grad():
        network.eval()(torch.zeros(1, *shape, device="meta"))
    for hook in hooks:
        hook.remove()
    return sum(counted)


@cache
def printed(networks: str = "cifar") -> dict[tuple[str, str], str]:
    """What the papers' numbers say, as printed, by network and metric; recalled ones are none."""
    with (REFERENCE / f"{networks}_networks.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["confidence"] in ("verified", "derived")]
    return {(row["row"], row["metric"]): row["value"] for row in rows}


def cut(value: float, like: str, rounding: str) -> str:
    """A number with as many digits as the printed one."""
    return str(Decimal(value).quantize(Decimal(like), rounding))


def epochs_of_scratch_b(saving: float) -> int:
    """Epochs of Scratch-B for 160 of the dense network, by the rule of ``mode=scratch_b``."""
    return equal_compute(None).rule(EPOCHS, saving)


def cifar_table() -> Iterator[str]:
    """The lines of the table of networks for CIFAR-10: ours, then what papers print."""
    yield "| network | `model=` | parameters | MFLOP | multiply-adds, M | printed parameters, M | printed GFLOP |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for name, (model, *more) in CIFAR.items():
        cost = cost_of(model, *more)
        words = " ".join((model, *more))
        said = " | ".join(printed().get((name, metric), "") for metric in ("parameters", "flops"))
        yield f"| {name} | `{words}` | {cost.parameters:,} | {cost.flop / 1e6:,.1f} | {cost.flop / 2e6:,.1f} | {said} |"


def scratch_table() -> Iterator[str]:
    """The lines of the table of Scratch-B: dense FLOP / pruned FLOP, and epochs, by both rules of counting."""
    yield "| network | dense / pruned, our FLOP | epochs | dense / pruned, their FLOP | epochs |"
    yield "|---|---:|---:|---:|---:|"
    for name, dense in PRUNED.items():
        own, theirs = savings(name, dense)
        yield f"| {name} | {own:.4f} | {epochs_of_scratch_b(own)} | {theirs:.4f} | {epochs_of_scratch_b(theirs)} |"


def savings(pruned: str, dense: str) -> tuple[float, float]:
    """Dense FLOP / pruned FLOP, by our rule and by theirs."""
    small, large = cost_of(*CIFAR[pruned]), cost_of(*CIFAR[dense])
    return large.flop / small.flop, large.flop_of_liu / small.flop_of_liu


def other_table() -> Iterator[str]:
    """The lines of the table of networks for other images."""
    yield "| network | overrides | parameters | GFLOP |"
    yield "|---|---|---:|---:|"
    for name, (model, *more) in OTHERS.items():
        cost = cost_of(model, *more)
        words = " ".join((f"model={model}", *more))
        yield f"| {name} | `{words}` | {cost.parameters:,} | {cost.flop / 1e9:.4g} |"
