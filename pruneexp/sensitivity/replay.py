"""A pass as a graph of torch's operations, of which those that depend on a group of weights run again.

Knows no networks: ``recording`` makes the graphs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor, fx
from torch.fx.node import map_arg
from torch.utils._pytree import tree_leaves

Values = Mapping[fx.Node, Any]


@dataclass(frozen=True, eq=False)
class RecordedPass:
    """The operations of a pass over a batch of one size, in order.

    ``given`` holds parameters and buffers of the network by their places in the graph; ``images`` is the place of the
    batch, ``output`` that of the logits.
    """

    operations: tuple[fx.Node, ...]
    given: Values
    images: fx.Node
    output: fx.Node

    def affected(self, weights: Collection[Tensor]) -> tuple[fx.Node, ...]:
        """The operations that depend on any of these parameters, and those that bring other parameters to them.

        The latter do not depend on the batch. They take no time, being views nearly always, and none is kept.
        """
        reached = {node for node, tensor in self.given.items() if any(tensor is weight for weight in weights)}
        for node in self.operations:
            if not reached.isdisjoint(node.all_input_nodes):
                reached.add(node)
        taken = {node for each in reached.difference(self.given) for node in each.all_input_nodes}
        for node in reversed(self.operations):
            if node in taken and node in self._constant and node not in reached:
                reached.add(node)
                taken.update(node.all_input_nodes)
        return tuple(node for node in self.operations if node in reached)

    def needed(self, affected: Sequence[fx.Node]) -> frozenset[fx.Node]:
        """What these operations take from outside: results of others, which are kept for them, and the batch."""
        inputs = {node for each in (*affected, self._end) for node in each.all_input_nodes}
        return frozenset(inputs.difference(affected, self.given))

    def run(self, images: Tensor, kept: Collection[fx.Node]) -> tuple[Tensor, Values]:
        """The logits of a whole pass, and the results that are to be kept."""
        known = self._run(self.operations, {self.images: images}, frozenset(kept))
        return known[self.output], {node: known[node] for node in kept}

    def run_again(self, affected: Sequence[fx.Node], kept: Values) -> Tensor:
        """The logits with the weights as they are now."""
        logits: Tensor = self._run(affected, dict(kept), frozenset(kept))[self.output]
        return logits

    def _run(self, operations: Sequence[fx.Node], known: dict[fx.Node, Any], kept: frozenset[fx.Node]) -> Values:
        """Run operations in order, and forget each result after its last use."""

        def value(node: fx.Node) -> Any:
            return self.given[node] if node in self.given else known[node]

        for node in operations:
            target: Any = node.target
            known[node] = target(*map_arg(node.args, value), **map_arg(node.kwargs, value))
            for done in self._last_uses.get(node, ()):
                if done not in kept:
                    known.pop(done, None)
        return known

    def overwrites(self, weights: Collection[Tensor]) -> bool:
        """Whether a replay for these parameters would write into what is kept for it, or find that overwritten.

        An operation that writes in place, or into a view, changes all results with the same memory.
        """
        affected = self.affected(weights)
        kept, again = self.needed(affected), frozenset(affected)
        place = {node: at for at, node in enumerate(self.operations)}
        for node in filter(_writes, self.operations):
            memory = _memory(node)
            if node in again and memory not in again:
                return True
            if any(_memory(each) is memory and place.get(each, -1) < place[node] for each in kept - again):
                return True
        return False

    @cached_property
    def _constant(self) -> frozenset[fx.Node]:
        """Operations that do not depend on the batch."""
        varying = {self.images}
        for node in self.operations:
            if not varying.isdisjoint(node.all_input_nodes):
                varying.add(node)
        return frozenset(node for node in self.operations if node not in varying)

    @property
    def _end(self) -> fx.Node:
        return self.output.graph.output_node()

    @cached_property
    def _last_uses(self) -> Mapping[fx.Node, Sequence[fx.Node]]:
        """What no operation after this one takes."""
        last = {taken: node for node in (*self.operations, self._end) for taken in node.all_input_nodes}
        found: dict[fx.Node, list[fx.Node]] = {}
        for taken, node in last.items():
            found.setdefault(node, []).append(taken)
        return found


def _writes(node: fx.Node) -> bool:
    return bool(getattr(getattr(node.target, "_schema", None), "is_mutable", False))


def _memory(node: fx.Node) -> fx.Node:
    """The result whose memory this one lies in: itself, unless it is a view or was written in place."""
    while node.op == "call_function":
        schema = getattr(node.target, "_schema", None)
        shares = schema is None or any(value.alias_info is not None for value in schema.returns)
        if not (shares or "_unsafe_view" in str(node.target)):  # whose schema does not say so
            return node
        node = node.all_input_nodes[0]
    return node


def size_of(node: fx.Node) -> int:
    """Bytes of a result."""
    values = tree_leaves(node.meta["val"])
    return sum(value.numel() * value.element_size() for value in values if isinstance(value, Tensor))


@contextmanager
def moved(weights: Sequence[Tensor]) -> Iterator[None]:
    """Roll every weight by one element, and back on exit: activations then neither vanish nor explode."""
    rolled: list[Tensor] = []
    try:
        for weight in weights:
            _roll(weight, 1)
            rolled.append(weight)
        yield
    finally:
        for weight in reversed(rolled):
            _roll(weight, -1)


def _roll(weight: Tensor, places: int) -> None:
    weight.copy_(weight.reshape(-1).roll(places).reshape(weight.shape))
