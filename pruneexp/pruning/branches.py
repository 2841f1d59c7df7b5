"""Residual branches: what lies between a tensor and an addition that it joins unchanged, in the graph of a pass.

Where all weights of a branch are pruned it adds a constant. Knows no masks and no scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor, fx, nn

from pruneexp.pruning.layers import prunable
from pruneexp.pruning.pattern_rules import name_of
from pruneexp.tracing.trace import Trace

#: Operations that give a constant where the weights among their factors are zero.
_PRODUCTS = ("convolution", "mm", "addmm")


@dataclass(frozen=True)
class Branch:
    """The prunable ``layers`` of a branch, in the order of a pass, and all its ``parameters``, by their names."""

    layers: tuple[str, ...]
    parameters: frozenset[str]


@dataclass(frozen=True)
class Branches:
    """Branches that give a constant without their weights, and why others do not, by their first layers."""

    found: tuple[Branch, ...]
    held: Mapping[str, str]


def branches(trace: Trace, network: nn.Module) -> Branches:
    """Find the residual branches of a network; of two that overlap, the one that ends first."""
    search = _BranchSearch(trace, network)
    found: list[Branch] = []
    held: dict[str, str] = {}
    for addition in search.additions():
        inner = search.between(addition)
        layers = search.layers(inner or search.apart(addition))
        if not layers:
            continue
        if reason := search.reason(addition, inner):
            held.setdefault(layers[0], reason)
        else:
            search.taken.update(inner)
            found.append(Branch(layers, frozenset(name for node in inner for name in search.parameters[node])))
    return Branches(tuple(found), held)


class _BranchSearch:
    """The nodes that follow from the inputs, in order, and which lead to each, as bits of an integer."""

    def __init__(self, trace: Trace, network: nn.Module) -> None:
        self._names = {layer.parameter: name for name, layer in prunable(network).items()}
        self._nodes = [node for node in trace.module.graph.nodes if node in trace.varying]
        self._places = {node: place for place, node in enumerate(self._nodes)}
        self._before: list[int] = []
        self.parameters: dict[fx.Node, list[str]] = {}
        self._users: dict[str, set[fx.Node]] = {}
        self.taken: set[fx.Node] = set()
        for place, node in enumerate(self._nodes):
            before = 1 << place
            for source in self._sources(node):
                before |= self._before[self._places[source]]
            self._before.append(before)
            beside = [trace.origins[source] for source in node.all_input_nodes if source in trace.origins]
            self.parameters[node] = [name for names in beside for name in sorted(names)]
            for name in self.parameters[node]:
                self._users.setdefault(name, set()).add(node)
        self._live = 0
        for node in trace.outputs:
            if node in self._places:
                self._live |= self._before[self._places[node]]

    def _sources(self, node: fx.Node) -> list[fx.Node]:
        return [source for source in node.all_input_nodes if source in self._places]

    def _leads(self, first: fx.Node, last: fx.Node) -> bool:
        return bool(self._before[self._places[last]] >> self._places[first] & 1)

    def additions(self) -> list[fx.Node]:
        """Sums of two different tensors of one shape."""
        return [node for node in self._nodes if _named(node) == "add" and len(set(self._sides(node))) == 2]

    def _sides(self, addition: fx.Node) -> list[fx.Node]:
        shape = addition.meta["val"].shape
        given = [each for each in addition.args[:2] if each in self._places and isinstance(each, fx.Node)]
        return [each for each in given if isinstance(each.meta["val"], Tensor) and each.meta["val"].shape == shape]

    def between(self, addition: fx.Node) -> list[fx.Node]:
        """What leads from one side of an addition to the other, which it ends with; nothing where neither does."""
        first, last = sorted(self._sides(addition), key=self._places.__getitem__)
        if not self._leads(first, last):
            return []
        later = self._nodes[self._places[first] + 1 : self._places[last] + 1]
        return [node for node in later if self._leads(first, node) and self._leads(node, last)]

    def apart(self, addition: fx.Node) -> list[fx.Node]:
        """What leads to one side of an addition alone."""
        one, other = self._sides(addition)
        return [node for node in self._nodes if self._leads(node, one) != self._leads(node, other)]

    def layers(self, nodes: Iterable[fx.Node]) -> tuple[str, ...]:
        """The prunable layers of some nodes, in their order."""
        read = dict.fromkeys(name for node in nodes for name in self.parameters[node])
        return tuple(self._names[name] for name in read if name in self._names)

    def reason(self, addition: fx.Node, branch: list[fx.Node]) -> str:
        """Why a branch cannot go; empty where it can."""
        inner = set(branch)
        if not inner:
            return "no identity beside it"
        if inner & self.taken:
            return "another branch within it"
        if any(not self._users[name] <= inner for node in branch for name in self.parameters[node]):
            return "a layer that is used elsewhere, too"
        stream = next(each for each in self._sides(addition) if each not in inner)
        still: set[fx.Node] = set()
        for node in branch:
            sources = self._sources(node)
            users = {user for user in node.users if user in self._places and self._live >> self._places[user] & 1}
            if not users <= inner | {addition} or not set(sources) <= inner | {stream}:
                return "other code reads it, or it reads something else"
            if (_named(node) in _PRODUCTS and self.layers([node])) or still.issuperset(sources):
                still.add(node)
        return "" if branch[-1] in still else "a way around its weights"


def _named(node: fx.Node) -> str:
    """The operation of a node; empty for Python's own."""
    return name_of(node.target) if hasattr(node.target, "overloadpacket") else ""
