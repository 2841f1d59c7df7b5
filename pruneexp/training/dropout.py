"""Drop rates of a network in training and in retraining, one policy for the whole network.

Pruning already thins a layer, so Han et al. 2015 (section 3.2) retrain it with a smaller drop rate. Knows networks only
through their dropout and prunable layers, and knows nothing of how the densities came about.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from torch import nn

from pruneexp.pruning.layers import prunable, weight_of

Phase = Literal["train", "retrain"]
Dropping = nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d | nn.AlphaDropout | nn.FeatureAlphaDropout


class DropoutPolicy(Protocol):
    """The drop rate of one dropout layer from its original rate and the connections of the layer it belongs to."""

    def __call__(self, original: float, kept: float, connections: float) -> float:
        """Rate in [0, 1] where ``kept`` of ``connections`` (at least one) are left; all are left in dense training."""


@dataclass(frozen=True)
class Fixed:
    """The original rate, in every phase."""

    def __call__(self, original: float, kept: float, connections: float) -> float:
        return original


@dataclass(frozen=True)
class Scaled:
    """``D_r = D_o * sqrt(C_r / C_o)`` per layer (Han et al. 2015, eq. 2), C counting connections: N_i * N_(i-1)."""

    def __call__(self, original: float, kept: float, connections: float) -> float:
        return original * math.sqrt(kept / connections)


@dataclass(frozen=True)
class NoDropout:
    """No dropout in any phase."""

    def __call__(self, original: float, kept: float, connections: float) -> float:
        return 0.0


def layers_of_dropouts(network: nn.Module) -> dict[str, str]:
    """Name of each dropout layer -> name of the prunable layer whose connections govern its rate.

    That is the linear layer registered just before it, whose neurons it drops; otherwise, as for the first dropout of
    torchvision's AlexNet, which follows a convolution, the next prunable layer; and the last one where none follows.

    Raises:
        UserError: the network has no prunable layer.
    """
    layers = prunable(network)
    owners: dict[str, str] = {}
    waiting: list[str] = []
    last = ""
    for name, module in network.named_modules():
        if name in layers:
            owners |= dict.fromkeys(waiting, name)
            waiting, last = [], name
        elif isinstance(module, Dropping):
            owners[name] = last
            if not isinstance(layers.get(last), nn.Linear):
                waiting.append(name)
    return owners


@contextmanager
def applied(
    network: nn.Module, policy: DropoutPolicy, phase: Phase, densities: Mapping[str, float]
) -> Iterator[dict[str, float]]:
    """Give every dropout layer the rate of its phase, hand out name -> rate, and put the original rates back.

    In phase ``"train"`` all connections count as kept, whatever ``densities`` says. ``densities`` are kept / original
    weights by layer name; a layer it does not name is dense.

    Raises:
        ValueError: an unknown phase, or a density outside [0, 1].
        UserError: the network has no prunable layer.
    """
    if phase not in get_args(Phase):
        raise ValueError(f"phase is {phase!r}; allowed is one of {', '.join(map(repr, get_args(Phase)))}")
    modules, layers = dict(network.named_modules()), prunable(network)
    originals: dict[str, float] = {}
    rates: dict[str, float] = {}
    for name, layer in layers_of_dropouts(network).items():
        density = densities.get(layer, 1.0) if phase == "retrain" else 1.0
        if not 0 <= density <= 1:
            raise ValueError(f"the density of layer {layer!r} is {density!r}; allowed is [0, 1]")
        connections = weight_of(layers[layer]).numel()
        originals[name] = _rate(modules[name])
        rates[name] = policy(originals[name], density * connections, connections)
    try:
        _set(modules, rates)
        yield rates
    finally:
        _set(modules, originals)


def _rate(module: nn.Module) -> float:
    assert isinstance(module, Dropping)
    return module.p


def _set(modules: Mapping[str, nn.Module], rates: Mapping[str, float]) -> None:
    for name, rate in rates.items():
        module = modules[name]
        assert isinstance(module, Dropping)
        module.p = rate
