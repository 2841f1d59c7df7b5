"""Drop rates of a network in training and in retraining, one policy for the whole network.

Pruning already thins a layer, so Han et al. 2015 (section 3.2) retrain it with a smaller drop rate. A dropout that a
pass calls several times has a rate for each call: that of the layer whose outputs the call drops. Knows networks only
through their dropout and prunable layers, and knows nothing of how the densities came about.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.layers import weights
from pruneexp.training.dropout_calls import DropoutCall, Dropping, trace_dropouts

Phase = Literal["train", "retrain"]


class DropoutPolicy(Protocol):
    """Computes the drop rate of a dropout layer from its original rate and the connections of the layer it drops."""

    def __call__(self, original: float, kept: float, connections: float) -> float:
        """The rate, in [0, 1], if ``kept`` of ``connections`` (at least one) are left; dense training keeps all."""


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


def calls_of(network: nn.Module, policy: DropoutPolicy, inputs: Tensor) -> tuple[DropoutCall, ...]:
    """The calls of dropout layers whose rates the policy may change: none for ``Fixed``, which changes no rate.

    ``inputs`` is a batch of two or more, to run through the network.

    Raises:
        UserError: the network drops by a function, which no policy reaches, or cannot run a pass in training mode.
    """
    if isinstance(policy, Fixed):
        return ()
    found = trace_dropouts(network, inputs)
    if found.functional:
        calls = ", ".join(f"{function} in {where or 'its forward'}" for where, function in found.functional)
        raise UserError(
            f"dropout={_name(policy)} cannot reach the functional dropout in {type(network).__name__} ({calls}); "
            "use dropout=fixed or an nn.Dropout"
        )
    return found.calls


def rates(
    network: nn.Module,
    policy: DropoutPolicy,
    phase: Phase,
    densities: Mapping[str, float],
    calls: Sequence[DropoutCall],
) -> dict[str, float]:
    """Name of each dropout layer -> its rate in a phase; of one with several rates, ``name[0]``, ``name[1]`` by call.

    ``densities`` are kept / original weights by layer name; a layer that it does not name is dense. Phase ``"train"``
    ignores it and counts all connections as kept.

    Raises:
        ValueError: an unknown phase, or a density outside [0, 1].
        UserError: the network has no prunable layer.
    """
    found: dict[str, float] = {}
    for each in _changes(network, policy, phase, densities, calls):
        if len(set(each.rates)) == 1:
            found[each.name] = each.rates[0]
        else:
            found |= {f"{each.name}[{call}]": rate for call, rate in enumerate(each.rates)}
    return found


@contextmanager
def applied(
    network: nn.Module,
    policy: DropoutPolicy,
    phase: Phase,
    densities: Mapping[str, float],
    calls: Sequence[DropoutCall],
) -> Iterator[dict[str, float]]:
    """Give every dropout layer the rates of its phase, yield the result of ``rates``, and restore the original rates.

    ``calls`` are those of ``calls_of``. A dropout layer with several rates raises a ``UserError`` in a pass in training
    mode that calls it more or fewer times.

    Raises:
        ValueError, UserError: as ``rates``.
    """
    changes = _changes(network, policy, phase, densities, calls)
    originals = [(each.module, each.module.p) for each in changes]
    found, hooks = rates(network, policy, phase, densities, calls), []
    try:
        for each in changes:
            each.module.p = each.rates[0] if each.rates else each.module.p
            if each.by_call:
                follower = _Follower(each.name, each.rates, _name(policy))
                hooks.append(network.register_forward_pre_hook(follower.begin))
                hooks.append(each.module.register_forward_pre_hook(follower.call))
                hooks.append(network.register_forward_hook(follower.end))
        yield found
    finally:
        for hook in hooks:
            hook.remove()
        for module, rate in originals:
            module.p = rate


@dataclass(frozen=True)
class _Change:
    """The rates of one dropout layer: one for each call where ``by_call``, else a single one for all calls."""

    name: str
    module: Dropping
    rates: tuple[float, ...]
    by_call: bool


def _changes(
    network: nn.Module,
    policy: DropoutPolicy,
    phase: Phase,
    densities: Mapping[str, float],
    calls: Sequence[DropoutCall],
) -> list[_Change]:
    if phase not in get_args(Phase):
        raise ValueError(f"phase is {phase!r}; allowed is one of {', '.join(map(repr, get_args(Phase)))}")
    sizes = {name: weight.numel() for name, weight in weights(network).items()}
    kept = {name: densities.get(name, 1.0) if phase == "retrain" else 1.0 for name in sizes}
    for name, density in kept.items():
        if not 0 <= density <= 1:
            raise ValueError(f"the density of layer {name!r} is {density!r}; allowed is [0, 1]")
    found = []
    for name, module in network.named_modules():
        if isinstance(module, Dropping):
            of = {layer: policy(module.p, kept[layer] * size, size) for layer, size in sizes.items()}
            alike = tuple(dict.fromkeys(of.values()))
            own = tuple(of[call.layer] for call in calls if call.dropout == name)
            new = own if len(alike) > 1 else alike
            found.append(_Change(name, module, new, len(set(new)) != 1))
    return found


@dataclass
class _Follower:
    """Sets the rate of a dropout layer before each of its calls within a pass, also in a copy of the network."""

    name: str
    rates: tuple[float, ...]
    policy: str
    calls: int = 0

    def begin(self, network: nn.Module, inputs: object) -> None:
        self.calls = 0

    def call(self, module: nn.Module, inputs: object) -> None:
        if not module.training:
            return
        if self._again():
            raise UserError(
                f"dropout={self.policy} cannot follow {self.name}, which is called {len(self.rates)} times within a "
                "pass at several rates, where activations are computed again in the backward pass; use an nn.Dropout "
                "for each call"
            )
        if self.calls == len(self.rates):
            raise self._otherwise(f"{self.calls + 1} times or more")
        assert isinstance(module, Dropping)
        module.p = self.rates[self.calls]
        self.calls += 1

    def end(self, network: nn.Module, inputs: object, outputs: object) -> None:
        if network.training and self.calls < len(self.rates):
            raise self._otherwise(f"{self.calls} times")

    def _again(self) -> bool:
        """Whether autograd is running its backward pass, in which activation checkpointing calls layers again."""
        return torch._C._current_graph_task_id() != -1  # noqa: SLF001  as torch.utils.checkpoint asks it

    def _otherwise(self, times: str) -> UserError:
        return UserError(
            f"dropout={self.policy} needs to know which layer {self.name} drops, but it is called {len(self.rates)} "
            f"times in one pass and {times} in another; use dropout=fixed, or an nn.Dropout for each call"
        )


def _name(policy: DropoutPolicy) -> str:
    return {Scaled: "scaled", NoDropout: "none"}.get(type(policy), type(policy).__name__)
