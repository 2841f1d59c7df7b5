"""Which indices of which tensors of a network belong to one channel: what a pass couples has to go together.

Every index of every dimension of a parameter or buffer is an atom. Labels, tensors of atoms in the shape of what a pass
computes, are followed through its graph: an activation has one label per number, its channel; a parameter one per
number and dimension. Operations join atoms (an addition those of its two sides), and those that would compute something
else without a channel hold it: it must stay. Knows no masks and no scores.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg

from pruneexp.pruning.coupling_layers import PRODUCT
from pruneexp.pruning.coupling_rules import attention_reads, coupled
from pruneexp.pruning.labels import Atoms, Labels, OfParameter, expanded
from pruneexp.pruning.layers import prunable
from pruneexp.tracing.trace import Trace

#: Why channels stay that nothing else holds.
OUTPUTS, OUT_OF_SCOPE = "the outputs", "outside of criterion.layers, or in criterion.exclude"
#: A dimension of a parameter or buffer, by the name of the tensor.
Dimension = tuple[str, int]


@dataclass(frozen=True, eq=False)
class ChannelSet:
    """Channels that the same layers produce, each of which can go without the others.

    ``members`` has, for every dimension that loses indices with them, the channel of each index, -1 where it has none
    of this set; ``producers`` are those of them that are outputs of layers, by the layers' names, and ``readers`` those
    that are inputs.
    """

    channels: int
    producers: Mapping[str, int]
    readers: frozenset[Dimension]
    members: Mapping[Dimension, Tensor]


@dataclass(frozen=True, eq=False)
class Couplings:
    """The sets of channels of a network by the names of their first layers, and why layers have none."""

    sets: Mapping[str, ChannelSet]
    held: Mapping[str, str]


def couplings(trace: Trace, network: nn.Module, scope: Collection[str]) -> Couplings:
    """Find the channels that can go; only layers in ``scope`` may lose outputs.

    A layer with outputs that stay is told in ``held`` with the reason.
    """
    return _Search(trace, network).couplings(scope, attended=False)


def heads(trace: Trace, network: nn.Module, scope: Collection[str]) -> Couplings:
    """Find heads of attention in the same way: a head is what its products of activations couple."""
    return _Search(trace, network).couplings(scope, attended=True)


def removable(trace: Trace, network: nn.Module) -> list[ChannelSet]:
    """All channels and heads of a network that can go."""
    search, layers = _Search(trace, network), prunable(network)
    return [each for attended in (False, True) for each in search.couplings(layers, attended=attended).sets.values()]


class _Search:
    """One pass through the graph."""

    def __init__(self, trace: Trace, network: nn.Module) -> None:
        self._trace, self._network = trace, network
        self._atoms = Atoms(attention_reads(trace.module.graph.nodes))
        self._dimensions: dict[Dimension, Tensor] = {}
        self._known: dict[fx.Node, Labels] = {}
        for node, name in {**trace.parameters, **trace.buffers}.items():
            self._known[node] = self._of_tensor(name, node.meta["val"].shape)
        self._known[trace.images] = expanded(self._atoms.holder("the inputs"), trace.example.shape)
        self._layers_of_recurrence()
        for node in trace.module.graph.nodes:
            if node.op == "get_attr":
                self._known[node] = self._constant(getattr(trace.module, str(node.target)))
            elif node.op == "call_function":
                self._known[node] = self._result(node)
        for node in trace.outputs:
            self._atoms.hold(self._known[node], OUTPUTS)

    def _of_tensor(self, name: str, shape: torch.Size) -> Labels:
        labels = []
        for dim, size in enumerate(shape):
            own = self._atoms.fresh(size)
            self._dimensions[name, dim] = own
            labels.append(own.view(*(size if each == dim else 1 for each in range(len(shape)))).expand(shape))
        return OfParameter(labels)

    def _constant(self, value: Any) -> Labels:
        """A tensor that the code of the network keeps beside its state cannot be cut."""
        if not isinstance(value, Tensor) or value.numel() == 1:
            return None
        return expanded(self._atoms.holder("a constant in the code"), value.shape)

    def _layers_of_recurrence(self) -> None:
        """All layers and directions of one recurrent module have as many hidden units."""
        for name, module in self._network.named_modules():
            if isinstance(module, nn.RNNBase):
                own = [f"{name}.{each}".lstrip(".") for each, _ in module.named_parameters() if "weight_hh" in each]
                hidden = [self._dimensions[each, 1] for each in own if (each, 1) in self._dimensions]
                for each in hidden[1:]:
                    self._atoms.join(hidden[0], each)

    def _result(self, node: fx.Node) -> Labels:
        args: Any = map_arg(node.args, self._known.__getitem__)
        if node.target is operator.getitem:
            return args[0] if args[0] is None or isinstance(args[0], Tensor) else args[0][args[1]]
        kwargs: Any = map_arg(node.kwargs, self._known.__getitem__)
        names = [argument.name for argument in node.target._schema.arguments]  # type: ignore[union-attr]  # noqa: SLF001
        return coupled(self._atoms, node, {**dict(zip(names, args, strict=False)), **kwargs})

    def couplings(self, scope: Collection[str], *, attended: bool) -> Couplings:
        """Those of heads, or of channels that belong to none."""
        roots, layers = self._atoms.roots(), prunable(self._network)
        holders, (produced, read, of_heads) = self._atoms.reasons(roots), self._atoms.uses()
        in_heads = set(roots[of_heads].tolist())
        if not attended:
            holders = {**dict.fromkeys(in_heads, PRODUCT), **holders}
        weights = {layer.parameter for layer in layers.values()}
        for (tensor, _), atoms in self._dimensions.items():
            if tensor not in weights and bool(read[atoms].any()):
                holders |= dict.fromkeys(roots[atoms].tolist(), "a matrix that is no layer")
        producers: dict[int, dict[str, int]] = {}
        for name, layer in layers.items():
            for dim in range(layer.weight.ndim):
                atoms = self._dimensions[layer.parameter, dim]
                if bool(produced[atoms].any()):
                    reason = None if name in scope else OUT_OF_SCOPE
                    made = set(roots[atoms].tolist())
                    for root in sorted(made & in_heads if attended else made):
                        producers.setdefault(root, {})[name] = dim
                        if reason:
                            holders.setdefault(root, reason)
        return Couplings(self._sets(roots, producers, holders), _held(producers, holders))

    def _sets(
        self, roots: Tensor, producers: Mapping[int, Mapping[str, int]], holders: Mapping[int, str]
    ) -> dict[str, ChannelSet]:
        alike: dict[tuple[tuple[str, int], ...], list[int]] = {}
        for root in sorted(producers.keys() - holders.keys()):
            alike.setdefault(tuple(producers[root].items()), []).append(root)
        of_set, number = torch.full((2, len(roots)), -1)
        for index, channels in enumerate(alike.values()):
            of_set[channels] = index
            number[channels] = torch.arange(len(channels))
        members: list[dict[Dimension, Tensor]] = [{} for _ in alike]
        for dimension, atoms in self._dimensions.items():
            sets = of_set[roots[atoms]]
            for index in sets.unique().tolist():
                if index >= 0:
                    members[index][dimension] = number[roots[atoms]].masked_fill(sets != index, -1)
        found: dict[str, ChannelSet] = {}
        _, read, _ = self._atoms.uses()
        for (made_by, channels), places in zip(alike.items(), members, strict=True):
            readers = frozenset(each for each in places if bool(read[self._dimensions[each]].any()))
            found[_free(made_by[0][0], found)] = ChannelSet(len(channels), dict(made_by), readers, places)
        return found


def by_reason(held: Mapping[str, str]) -> str:
    """Layers with the reasons why they stay, in words: the first of each reason, and how many more there are."""
    named: dict[str, list[str]] = {}
    for name, reason in held.items():
        named.setdefault(reason, []).append(name)
    others = {reason: f" and {len(names) - 1} more" if len(names) > 1 else "" for reason, names in named.items()}
    return ", ".join(f"{names[0]}{others[reason]} ({reason})" for reason, names in named.items())


def _free(name: str, names: Mapping[str, ChannelSet]) -> str:
    """The name of a set; those after the first that begin with the same layer are numbered."""
    same = sum(each.partition("/")[0] == name for each in names)
    return f"{name}/{same + 1}" if same else name


def _held(producers: Mapping[int, Mapping[str, int]], holders: Mapping[int, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for root in sorted(producers.keys() & holders.keys()):
        for name in producers[root]:
            found.setdefault(name, holders[root])
    return found
