"""Which layer feeds which, unit by unit, in a feed-forward chain of layers.

This module watches one forward pass, so it works for any code that computes a chain. A network that is not certainly a
chain (skip connections, branches, an unknown operation) has no links, and callers must do without. Knows nothing of
masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from pruneexp.pruning.layers import kind_of, prunable, weight_of
from pruneexp.tracing.mode import evaluating

#: Functions that, in evaluation mode, treat every unit (channel) separately and keep the order of units.
UNITWISE = frozenset(
    {
        "relu",
        "relu_",
        "leaky_relu",
        "elu",
        "selu",
        "celu",
        "gelu",
        "silu",
        "mish",
        "softplus",
        "tanh",
        "tanh_",
        "sigmoid",
        "sigmoid_",
        "hardtanh",
        "relu6",
        "hardswish",
        "max_pool1d",
        "max_pool2d",
        "max_pool3d",
        "avg_pool1d",
        "avg_pool2d",
        "avg_pool3d",
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "adaptive_max_pool2d",
        "batch_norm",
        "instance_norm",
        "dropout",
        "dropout_",
        "dropout2d",
        "dropout3d",
        "feature_dropout",
        "alpha_dropout",
        "flatten",
        "view",
        "reshape",
        "contiguous",
        "clone",
        "detach",
        "to",
        "type_as",
    }
)
#: Functions that couple neighbouring channels, but keep a channel of zeros zero.
COUPLING = frozenset({"local_response_norm"})
LAYERS = frozenset({"conv1d", "conv2d", "conv3d", "linear"})


@dataclass(frozen=True)
class LayerLink:
    """The units of ``source`` are the inputs of ``target``.

    Unit u is input channel u of a convolution with ``groups``, or the ``block`` consecutive inputs of a linear layer
    from u * block on. ``coupled`` is true if a normalisation across channels lies between: a unit then influences its
    neighbours even without outgoing weights.
    """

    source: str
    target: str
    groups: int
    block: int
    coupled: bool

    def grouped(self, weight: Tensor) -> Tensor:
        """View a weight or mask of ``target`` as (groups, outputs / groups, units / groups, rest)."""
        return weight.reshape(self.groups, weight.shape[0] // self.groups, -1, self._rest(weight))

    def _rest(self, weight: Tensor) -> int:
        return self.block * weight[0, 0].numel()


@dataclass(frozen=True)
class Wiring:
    """The links of the chain that the prunable layers form; none where there is no chain."""

    links: tuple[LayerLink, ...]


def trace(network: nn.Module, example: Tensor) -> Wiring:
    """Watch one forward pass of ``example``, shape (N, C, H, W), in evaluation mode.

    In a chain every operation takes the result of the one before, every layer runs once, and between layers there are
    only activations, poolings, dropout, BatchNorm, local response normalisation and flattening. A module without
    parameters that is not torch's runs on noise: it must keep a channel of zeros zero, or not change the others.
    The trace does not show control flow that depends on the values of activations.
    """
    layers = prunable(network)
    units = {name: weight_of(layer).shape[0] for name, layer in layers.items()}
    watcher = _Watcher({id(weight_of(layer)): name for name, layer in layers.items()}, example)
    with evaluating(network), torch.no_grad(), _opaque(network, watcher), watcher:
        output = network(example)
    if not watcher.chain or output is not watcher.newest:
        return Wiring(())
    pairs = zip(watcher.met, watcher.met[1:], strict=False)
    links = [
        _link(source.name, units[source.name], target, layers[target.name], len(example)) for source, target in pairs
    ]
    certain = tuple(link for link in links if link is not None)
    return Wiring(certain if len(certain) == len(links) else ())


@dataclass(frozen=True)
class _Meeting:
    """One call of a layer: the shape of its input, and whether channels were coupled since the last layer."""

    name: str
    shape: torch.Size
    coupled: bool


class _Watcher(TorchFunctionMode):
    """Follows the activations through the functions of a forward pass by their identity."""

    def __init__(self, names: Mapping[int, str], example: Tensor) -> None:
        super().__init__()
        self._names = names
        self._live = {id(example): example}  # holds the tensors, so that no identity is used twice
        self._coupled = self._unknown = False
        self.newest = example
        self.chain = True
        self.paused = False
        self.met: list[_Meeting] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self.paused:
            weight = args[1] if len(args) > 1 else (kwargs or {}).get("weight")
            self.note(getattr(func, "__name__", ""), tree_leaves((args, kwargs)), weight, result)
        return result

    def note(self, function: str, inputs: list[Any], weight: Any, result: Any) -> None:
        used = [value for value in inputs if id(value) in self._live]
        if not used or not any(isinstance(leaf, Tensor) for leaf in tree_leaves(result)):
            return  # the function has no activations as inputs, or no tensor as result
        if not isinstance(result, Tensor) or len(used) > 1 or used[0] is not self.newest:
            self.chain = False
        elif function in LAYERS:
            self._meet(self._names.get(id(weight)), used[0].shape)
        elif function in COUPLING:
            self._coupled = True
        elif function not in UNITWISE:
            self._unknown = True
        if isinstance(result, Tensor):
            self._live[id(result)] = self.newest = result

    def _meet(self, name: str | None, shape: torch.Size) -> None:
        if name is None or name in {meeting.name for meeting in self.met} or (self.met and self._unknown):
            self.chain = False
        else:
            self.met.append(_Meeting(name, shape, self._coupled))
        self._coupled = self._unknown = False


@contextmanager
def _opaque(network: nn.Module, watcher: _Watcher) -> Iterator[None]:
    """Show the watcher each foreign module without parameters as one function, of the kind that it behaves like."""

    def enter(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        watcher.paused = True

    def leave(module: nn.Module, inputs: tuple[Any, ...], result: Any) -> None:
        kind = _kind_of_foreign(module.forward, inputs, result)
        watcher.paused = False
        watcher.note(kind, list(inputs), None, result)

    foreign = [module for module in network.modules() if module is not network and _is_foreign(module)]
    handles = [module.register_forward_pre_hook(enter) for module in foreign]
    handles += [module.register_forward_hook(leave) for module in foreign]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_foreign(module: nn.Module) -> bool:
    bare = not list(module.children()) and not list(module.parameters())
    return bare and not type(module).__module__.startswith("torch.nn.")


def _kind_of_foreign(call: Callable[[Tensor], Tensor], inputs: tuple[Any, ...], result: Any) -> str:
    """Name of a known function that the module behaves like, or ``"unknown"``.

    The module runs on noise in which half the channels are zero: those with a given bit of the channel's number set,
    and then the others, for each bit, so that an exchange of channels always shows.
    """
    if len(inputs) != 1 or not isinstance(inputs[0], Tensor) or not isinstance(result, Tensor):
        return "unknown"
    shape = inputs[0].shape
    if len(shape) < 2 or shape[:2] != result.shape[:2]:
        return "unknown"
    loud = torch.randn(2, *shape[1:], generator=torch.Generator().manual_seed(0)).to(inputs[0])
    numbers = torch.arange(shape[1], device=loud.device)
    bits = [(numbers >> bit) % 2 == 1 for bit in range((shape[1] - 1).bit_length())]
    before = _by_channel(call(loud.clone()))
    trials: list[tuple[Tensor, Tensor]] = []
    for silent in (*bits, *(~bit for bit in bits)):
        quiet = loud.clone()
        quiet[:, silent] = 0
        trials.append((silent, _by_channel(call(quiet))))
    if all(torch.equal(before[~silent], after[~silent]) for silent, after in trials):
        return "relu"
    if all(torch.equal(after.any(1), ~silent) for silent, after in trials):
        return "local_response_norm"
    return "unknown"


def _by_channel(activations: Tensor) -> Tensor:
    return activations.transpose(0, 1).flatten(1)


def _link(source: str, units: int, target: _Meeting, layer: nn.Module, batch: int) -> LayerLink | None:
    """The link to ``target``, or None where the shape of its input does not separate the units."""
    if target.shape[0] != batch:
        return None
    if kind_of(layer) == "conv":
        fits = target.shape[1] == units
        return LayerLink(source, target.name, int(getattr(layer, "groups", 1)), 1, target.coupled) if fits else None
    if len(target.shape) != 2 or target.shape[1] % units:
        return None
    return LayerLink(source, target.name, 1, target.shape[1] // units, target.coupled)
