"""Run again the operations on a tape that depend on one group, with the group's weights as they are now.

The same operations get the same inputs in the same memory layout as in a whole pass, so the logits are the same bit for
bit. Knows nothing of the network's code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from pruneexp.sensitivity.record import Call, Several, Tape, flat
from pruneexp.sensitivity.storages import Geometry, StorageView, geometry_of, tensor_at
from pruneexp.sensitivity.tape import claims, last_uses


class ReplayMismatch(Exception):  # expected where control flow depends on values
    """With these weights an operation's result has another shape, or another value that Python code has seen."""


@dataclass(frozen=True)
class Instruction:
    """One operation, the inputs to copy before it because it writes to them, and the storages to free after it."""

    call: Call
    claims: tuple[StorageView, ...]
    done: frozenset[int]


@dataclass(frozen=True)
class Script:
    """Everything that the replay of one batch for one group needs. ``weights`` are the network's own tensors."""

    instructions: tuple[Instruction, ...]
    weights: tuple[tuple[StorageView, Tensor], ...]
    outside: Mapping[StorageView, Tensor]
    output: StorageView


def script(tape: Tape, group: int) -> Script:
    """The part of a tape that depends on group number ``group``."""
    calls = [call for call in tape.calls if group in call.groups]
    ops = [call.op for call in calls]
    claimed, done = claims(ops, tape.sources[group]), last_uses(ops, tape.output.storage)
    instructions = (
        Instruction(call, _views(call, own), last) for call, own, last in zip(calls, claimed, done, strict=True)
    )
    weights = tuple((view, tensor) for view, tensor in tape.tensors.items() if view.storage in tape.sources[group])
    return Script(tuple(instructions), weights, tape.tensors, tape.output)


def run(script: Script) -> Tensor:
    """The logits of a replay; to be called without gradients.

    Raises:
        ReplayMismatch: with these weights the network itself would run other operations.
    """
    memory = _Memory(script)
    for instruction in script.instructions:
        for view in instruction.claims:
            memory.claim(view)
        _again(instruction.call, memory)
        for storage in instruction.done:
            memory.drop(storage)
    return memory.tensor(script.output)


def _again(call: Call, memory: _Memory) -> None:
    arguments = [memory.resolved(value) for value in call.arguments]
    keywords = {name: memory.resolved(value) for name, value in call.keywords.items()}
    results = tuple(flat(call.function(*arguments, **keywords)))
    if len(results) != len(call.results):
        raise ReplayMismatch(f"{call.function} returned {len(results)} results instead of {len(call.results)}")
    for expected, result in zip(call.results, results, strict=True):
        if isinstance(expected, StorageView):
            memory.put(expected, result)
        elif type(result) is not type(expected) or result != expected:
            raise ReplayMismatch(f"{call.function} returned {result} instead of {expected}")


@dataclass(frozen=True)
class _Own:
    """Tensors of this replay that share a storage; ``any`` is one of them."""

    any: Tensor
    tensors: dict[Geometry, Tensor] = field(default_factory=dict)


class _Memory:
    """The tensors of a replay: its own where they depend on the group, those of the tape elsewhere."""

    def __init__(self, script: Script) -> None:
        self._outside = script.outside
        self._own: dict[int, _Own] = {}
        for view, tensor in script.weights:
            self._place(view, tensor)

    def resolved(self, value: Any) -> Any:
        """An argument as the operation takes it."""
        if isinstance(value, StorageView):
            return self.tensor(value)
        return [self.resolved(part) for part in value.parts] if isinstance(value, Several) else value

    def tensor(self, view: StorageView) -> Tensor:
        own = self._own.get(view.storage)
        if own is None:
            return self._outside[view]
        found = own.tensors.get(view.geometry)
        return tensor_at(own.any.untyped_storage(), view.geometry) if found is None else found

    def put(self, expected: StorageView, result: Tensor) -> None:
        """Keep a result under the name it has on the tape."""
        if geometry_of(result) != expected.geometry:
            raise ReplayMismatch(f"{geometry_of(result)} instead of {expected.geometry}")
        self._place(expected, result)

    def claim(self, view: StorageView) -> None:
        """Copy a storage of the tape, so that this replay may write to it."""
        self._place(view, tensor_at(self._outside[view].untyped_storage().clone(), view.geometry))

    def drop(self, storage: int) -> None:
        self._own.pop(storage, None)

    def _place(self, view: StorageView, tensor: Tensor) -> None:
        own = self._own.get(view.storage)
        if own is None:
            own = self._own[view.storage] = _Own(tensor)
        own.tensors[view.geometry] = tensor


def _views(call: Call, storages: frozenset[int]) -> tuple[StorageView, ...]:
    """One input in each of these storages."""
    return tuple({view.storage: view for view in call.inputs if view.storage in storages}.values())
