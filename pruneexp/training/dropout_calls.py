"""The layer whose outputs each dropout of a network drops, found by following tensors through one training pass.

Knows dropout and prunable layers, and the functions of torch that drop; knows no rates and no densities.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pruneexp.errors import UserError, first_line
from pruneexp.pruning.layers import PrunableLayer, prunable
from pruneexp.tracing.mode import kept_buffers
from pruneexp.training import seeding
from pruneexp.training.frozen import training_except

Dropping = nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d | nn.AlphaDropout | nn.FeatureAlphaDropout

#: Functions that drop, by name: position of the rate and its default, position of ``training`` and its default.
_FUNCTIONS: Mapping[str, tuple[int, float, int, bool]] = {
    **dict.fromkeys(("dropout", "dropout1d", "dropout2d", "dropout3d", "native_dropout"), (1, 0.5, 2, True)),
    **dict.fromkeys(("alpha_dropout", "feature_alpha_dropout"), (1, 0.5, 2, False)),
    **dict.fromkeys(("dropout_", "alpha_dropout_", "feature_dropout_", "feature_alpha_dropout_"), (1, 0.5, 2, True)),
    "feature_dropout": (1, 0.5, 2, True),
    "scaled_dot_product_attention": (4, 0.0, 99, True),
    "multi_head_attention_forward": (10, 0.0, 13, True),
}
_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
#: Functions that combine a weight with an input; in others, a tensor of unknown origin is a constant.
_LAYERS = ("linear", "bilinear", "conv1d", "conv2d", "conv3d", "matmul", "__matmul__", "mm", "bmm", "addmm", "einsum")


@dataclass(frozen=True)
class DropoutCall:
    """One call of a dropout layer within a pass, and the prunable layer whose connections govern its rate there."""

    dropout: str
    layer: str


@dataclass(frozen=True)
class DropoutTrace:
    """All calls of dropout layers, in order, and the functions that drop outside of them, as (module, function)."""

    calls: tuple[DropoutCall, ...]
    functional: tuple[tuple[str, str], ...]


def trace_dropouts(network: nn.Module, inputs: Tensor) -> DropoutTrace:
    """Follow a batch of two inputs or more, of which nothing but the form matters, through one pass in training mode.

    A dropout belongs to the linear or recurrent layer whose outputs reach it; where several do, to the one that ran
    last. Where the outputs of a convolution reach it, as in torchvision's AlexNet, it belongs to the next layer that
    its own outputs reach, or to the convolution if there is none. A tensor that cannot be followed, because it went
    through numpy for example, counts as an output of the layer that ran last. Buffers, modes and torch's global
    generators are as before.

    Raises:
        UserError: the network has no prunable layer, or cannot run such a pass.
    """
    trace = _Trace(network, inputs)
    with ExitStack() as stack:
        stack.enter_context(seeding.stream(0, "dropout uses", device=inputs.device))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(kept_buffers(network))
        stack.enter_context(training_except(network, ()))
        try:
            with trace.watching():
                network(inputs)
        except Exception as error:
            shape = tuple(inputs.shape[1:])
            raise UserError(
                f"{type(network).__name__} cannot run a training pass of {len(inputs)} inputs of shape {shape}, "
                f"which shows where it drops: {first_line(error)} (dropout=fixed needs no such pass)"
            ) from error
    return trace.result()


@dataclass(frozen=True)
class _Tag:
    """The origin of a tensor: the last layers on its way from the image, and the dropout calls since then.

    ``weights`` names layers whose weights alone, without any image, the tensor is computed from.
    """

    layers: frozenset[str] = frozenset()
    calls: frozenset[int] = frozenset()
    weights: frozenset[str] = frozenset()


class _Trace(TorchFunctionMode):
    """Tags every tensor of a pass. It holds the tensors, so that no identity is used twice."""

    def __init__(self, network: nn.Module, inputs: Tensor) -> None:
        super().__init__()
        self._network, self._layers = network, _governing(network)
        self._tags: dict[int, tuple[Tensor, _Tag]] = {}
        for tensor in (*network.parameters(), *network.buffers()):
            self._mark(tensor, _Tag())
        self._own = frozenset(self._tags)
        for name, layer in self._layers.items():
            self._mark(layer.weight, _Tag(weights=frozenset({name})))
        self._mark(inputs, _Tag())
        self._ran: dict[str, int] = {}  # the step at which each layer ran last
        self._steps = 0
        self._calls: list[tuple[str, str]] = []  # dropout, and its layer as known so far
        self._undecided: set[int] = set()
        self._unseen: set[int] = set()  # undecided calls whose outputs cannot be followed
        self._running: list[str] = []
        self._functional: dict[tuple[str, str], None] = {}

    def result(self) -> DropoutTrace:
        first = next(iter(self._layers))
        calls = tuple(DropoutCall(name, layer or first) for name, layer in self._calls)
        return DropoutTrace(calls, tuple(self._functional))

    @contextmanager
    def watching(self) -> Iterator[None]:
        hooks = []
        try:
            for name, module in self._network.named_modules():
                hooks.append(module.register_forward_pre_hook(partial(self._enter, name)))
                hooks.append(module.register_forward_hook(self._leave, always_call=True))
            with self:
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if not self._drops and (rate := _rate(func, args, named)):
            where = self._running[-1] if self._running else ""
            self._functional[where, f"{func.__name__} at rate {rate:g}"] = None
        result = func(*args, **named)
        changed = args[:1] if result is None else result  # an assignment to a slice returns nothing
        self._follow(getattr(func, "__name__", ""), list(_tensors((args, named))), list(_tensors(changed)))
        return result

    @property
    def _drops(self) -> bool:
        """Whether a dropout layer is running."""
        return bool(self._running) and isinstance(self._network.get_submodule(self._running[-1]), Dropping)

    def _follow(self, name: str, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """Tag the outputs of a function by the tags of its inputs."""
        others = [tensor for tensor in inputs if id(tensor) not in self._own]
        weights = frozenset[str]().union(*(self._tag(tensor).weights for tensor in inputs))
        known = [self._tag(tensor) for tensor in others if id(tensor) in self._tags]
        images = [tag for tag in known if not tag.weights]
        layers = frozenset[str]().union(*(tag.layers for tag in images))
        calls = frozenset[int]().union(*(tag.calls for tag in images))
        if weights and (images or (name in _LAYERS and others)):
            self._run(weights, calls if images else frozenset(self._undecided))
            tag = _Tag(layers=weights)
        elif weights:
            tag = _Tag(weights=weights)
        elif images:
            tag = _Tag(layers, calls)
        else:
            return
        for tensor in outputs:
            self._mark(tensor, tag)

    def _run(self, layers: frozenset[str], calls: frozenset[int]) -> None:
        """Note that these layers run on outputs of these dropout calls."""
        self._steps += 1
        self._ran |= dict.fromkeys(layers, self._steps)
        name = min(layers, key=list(self._layers).index)
        for call in self._undecided & (calls | self._unseen):
            self._calls[call] = (self._calls[call][0], name)
            self._undecided.discard(call)

    def _enter(self, name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._running.append(name)

    def _leave(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        name = self._running.pop()
        if not isinstance(module, Dropping):
            return
        came = next(_tensors(inputs), None)
        seen = came is not None and id(came) in self._tags
        before = self._tag(came) if came is not None and seen else _Tag(frozenset(self._ran))
        order = list(self._layers)
        layer = max(before.layers, key=lambda each: (self._ran.get(each, -1), order.index(each)), default="")
        call = len(self._calls)
        self._calls.append((name, layer))
        calls = before.calls
        if not layer or self._layers[layer].kind == "conv":
            self._undecided.add(call)
            calls |= {call}
            self._unseen |= set() if seen else {call}
        for tensor in _tensors(output):
            self._mark(tensor, _Tag(before.layers, calls))

    def _mark(self, tensor: Tensor, tag: _Tag) -> None:
        self._tags[id(tensor)] = (tensor, tag)

    def _tag(self, tensor: Tensor) -> _Tag:
        found = self._tags.get(id(tensor))
        return _Tag() if found is None else found[1]


def _governing(network: nn.Module) -> dict[str, PrunableLayer]:
    """The layers that a dropout can belong to: others have no units of their own, unless there is nothing else."""
    layers = prunable(network)
    return {name: layer for name, layer in layers.items() if layer.kind in ("conv", "linear", "recurrent")} or layers


def _rate(func: Any, args: tuple[Any, ...], named: Mapping[str, Any]) -> float:
    """The rate at which a function of torch drops; 0 where it drops nothing."""
    name = getattr(func, "__name__", "")
    if name in _RECURRENT:  # ..., has_biases, num_layers, dropout, train, ...: between layers only
        start = next((index for index, value in enumerate(args) if isinstance(value, bool)), len(args))
        layers, rate, training = (*args[start + 1 : start + 4], 1, 0.0, False)[:3]
        return float(rate) if training and layers > 1 else 0.0
    if name not in _FUNCTIONS:
        return 0.0
    at, rate, flag, training = _FUNCTIONS[name]
    rate = args[at] if len(args) > at else named.get("p", named.get("dropout_p", rate))
    training = args[flag] if len(args) > flag else named.get("training", named.get("train", training))
    return float(rate) if training else 0.0


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Mapping):
        yield from _tensors(tuple(values.values()))
    elif isinstance(values, list | tuple):
        parts: Iterable[Any] = values
        for part in parts:
            yield from _tensors(part)
