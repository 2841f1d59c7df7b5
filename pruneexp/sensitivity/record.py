"""Run a network once and record its operations, with the tensors that the operations of each group take from outside.

Works below autograd, on the dispatched operations of a forward pass, so that the Python code that calls them does not
matter. Every pass has a tape of its own: control flow may depend on the images. Knows no layers, only weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from pruneexp.sensitivity.storages import Holding, SavedTensors, Storages, StorageView, is_strided
from pruneexp.sensitivity.tape import NONE, Dependence, Op
from pruneexp.training import seeding


@dataclass(frozen=True)
class Several:
    """A list argument that holds tensors: a view for each of them, and perhaps None."""

    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Call:
    """An operation that can run again: its arguments and, flat, its results, each with views in place of tensors.

    ``inputs`` are all views among the arguments.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    inputs: tuple[StorageView, ...]
    results: tuple[Any, ...]
    op: Op
    groups: frozenset[int]


@dataclass(frozen=True)
class Tape:
    """The operations of one pass that depend on a group, and every tensor that one of them takes from outside.

    ``sources`` are the storages of each group's weights; their tensors are the network's own, not copies.
    """

    calls: tuple[Call, ...]
    tensors: Mapping[StorageView, Tensor]
    output: StorageView
    sources: tuple[frozenset[int], ...]
    holdings: tuple[Holding, ...]

    @property
    def size(self) -> int:
        """Bytes that the tape holds besides the network's own."""
        return sum(holding.size for holding in self.holdings)


def record(
    network: nn.Module, images: Tensor, groups: Sequence[Sequence[Tensor]], *, room: int
) -> tuple[Tensor, Tape | None]:
    """The logits of a batch, and the tape of the pass; to be called without gradients. Group g has the g-th weights.

    There is no tape if the pass draws random numbers, writes to a weight of a group or uses tensors that are not plain
    strided memory (sparse, quantised, subclasses that dispatch), or if the tape would exceed ``room`` bytes.
    """
    states = seeding.global_states(images.device)
    recorder = _Recorder(network, images, groups, room)
    with recorder:
        logits: Tensor = network(images)
    undrawn = all(map(torch.equal, states, seeding.global_states(images.device)))
    return logits, recorder.tape(logits) if undrawn else None


def flat(value: Any) -> Iterator[Any]:
    """The leaves of nested lists and tuples, in order."""
    if isinstance(value, list | tuple):
        for part in value:
            yield from flat(part)
    else:
        yield value


class _Recorder(TorchDispatchMode):
    """Intercepts every operation of a pass. An operation that no tape can hold ends the recording, never the pass."""

    def __init__(self, network: nn.Module, images: Tensor, groups: Sequence[Sequence[Tensor]], room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._storages = Storages()
        self._sources = tuple(frozenset(map(self._storages.number, weights)) for weights in groups)
        self._weights = NONE.union(*self._sources)
        self._dependence = Dependence({storage: self._groups_in(storage) for storage in self._weights})
        resident = self._numbers(filter(is_strided, (*network.parameters(), *network.buffers())))
        self._safe = {*resident, *self._numbers([images])}  # storages that no other pass writes to
        self._kept = SavedTensors(resident)
        self._calls: list[Call] = []
        self._room = room
        self._recording = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False, although nothing here is compiled: True makes torch load its compiler, which takes 1.9 s."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = tuple(flat([args, *kwargs.values()]))
        self._require(isinstance(func, OpOverload) and all(map(_is_recordable, given)))
        if not self._recording:
            return func(*args, **kwargs)
        tensors = [leaf for leaf in given if isinstance(leaf, Tensor)]
        op = Op(self._numbers(tensors), self._numbers(_written(func, args, kwargs)))
        keywords = {name: self._noted(value) for name, value in kwargs.items()}
        inputs = tuple(map(self._storages.view, tensors))
        call = Call(func, tuple(map(self._noted, args)), keywords, inputs, (), op, NONE)
        self._before(call, tensors)
        result = func(*args, **kwargs)
        self._after(call, tuple(flat(result)))
        return result

    def tape(self, logits: Tensor) -> Tape | None:
        """The tape of a pass that returned these logits."""
        self._require(_is_recordable(logits))
        if not self._recording:
            return None
        output = self._storages.view(logits)
        independent = frozenset(range(len(self._sources))) - self._dependence.on(output.storage)
        if independent:
            self._kept.keep(output, logits, independent)
        tape = Tape(tuple(self._calls), self._kept.tensors, output, self._sources, self._kept.holdings())
        return tape if tape.size <= self._room else None

    def _before(self, call: Call, tensors: Iterable[Tensor]) -> None:
        """Save the inputs that the operation takes from outside, and copy saved tensors that it would overwrite."""
        frontier = self._dependence.frontier(call.op.reads)
        for view, tensor in zip(call.inputs, tensors, strict=True):
            if view.storage in frontier or view.storage in self._weights:
                self._kept.keep(view, tensor, frontier.get(view.storage, NONE))
        for storage in call.op.writes | (call.op.reads - self._safe):
            self._kept.preserve(storage)
        self._require(self._kept.size <= self._room and not call.op.writes & self._weights)

    def _after(self, call: Call, results: tuple[Any, ...]) -> None:
        """Add the operation to the tape, if it depends on a group."""
        self._require(all(map(_is_recordable, results)))
        if not self._recording:
            return
        for storage in call.op.writes:
            self._storages.wrote(storage)
        op = replace(call.op, gives=self._numbers(leaf for leaf in results if isinstance(leaf, Tensor)))
        self._safe |= op.gives - op.reads
        groups = self._dependence.follow(op)
        if groups:
            self._calls.append(replace(call, results=tuple(map(self._noted, results)), op=op, groups=groups))

    def _require(self, possible: bool) -> None:
        """End the recording and free its memory, unless ``possible``."""
        if not possible:
            self._recording = False
            self._calls, self._kept = [], SavedTensors(NONE)

    def _noted(self, value: Any) -> Any:
        """A view for a tensor, ``Several`` for a list of tensors, and any other value itself."""
        if isinstance(value, Tensor):
            return self._storages.view(value)
        if any(isinstance(leaf, Tensor) for leaf in flat(value)):
            return Several(tuple(map(self._noted, value)))
        return value

    def _numbers(self, tensors: Iterable[Tensor]) -> frozenset[int]:
        return frozenset(map(self._storages.number, tensors))

    def _groups_in(self, storage: int) -> frozenset[int]:
        return frozenset(group for group, storages in enumerate(self._sources) if storage in storages)


def _is_recordable(leaf: Any) -> bool:
    """Whether a tape can hold this argument; an own generator draws numbers that the global ones do not show."""
    return is_strided(leaf) if isinstance(leaf, Tensor) else not isinstance(leaf, torch.Generator)


def _written(func: OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
    """The tensors that an operation declares to change."""
    schema = func._schema  # noqa: SLF001  # torch offers it under no other name
    if not schema.is_mutable:
        return []
    values = [
        args[position] if position < len(args) else kwargs.get(argument.name)
        for position, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    return [leaf for leaf in flat(values) if isinstance(leaf, Tensor)]
