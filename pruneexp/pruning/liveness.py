"""Which weights still matter: those on a path from the images to the outputs that no cut has closed.

A weight is effective if what it multiplies depends on the images and an output depends on its product; a parameter that
is added counts where its sum is read. A unit without an effective weight is dead: it gives a constant, or nothing that
reaches an output reads it (Han et al. 2015, section 3.5). Both are followed through the graph of a pass, for any
network: the graph runs once more, forwards and backwards, on patterns in place of numbers. What happens to cancel out
counts as effective, as where all scores of a softmax change alike. Knows nothing of how masks are chosen.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.node import map_arg

from pruneexp.pruning.pattern_rules import SHAPED, Ones, name_of, rule_of, whole
from pruneexp.pruning.patterns import OperationCall, Pattern, computed, constant, patterns_of, replaced, varying
from pruneexp.tracing.graphs import draws
from pruneexp.tracing.trace import Trace


@dataclass(frozen=True)
class Liveness:
    """Boolean tensor per parameter: which of its numbers are effective.

    ``unfollowed`` are operations without a rule: their results count as depending on all that they take.
    """

    effective: Mapping[str, Tensor]
    unfollowed: frozenset[str]


def liveness(trace: Trace, tensors: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> Liveness:
    """Follow a pass in which the network has these parameters and buffers, by name; pruned weights are zero in them.

    ``kept`` has the masks of pruned parameters by the same names. A kept weight counts as other than zero, also where
    it happens to be zero, as in layers that start from zeros.
    """
    dense = {name: torch.ones_like(tensors[name], dtype=torch.float32) for name in trace.parameters.values()}
    leaves = {name: (kept[name].to(ones) if name in kept else ones).requires_grad_() for name, ones in dense.items()}
    run = _Run(trace, leaves, tensors)
    with torch.enable_grad():
        ends = run.outputs()
        total = torch.stack([end.ones.sum() for end in ends if end.varies]).sum()
        gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    found = {
        name: torch.zeros_like(leaf, dtype=torch.bool) if gradient is None else (gradient > 0) & (leaf > 0)
        for (name, leaf), gradient in zip(leaves.items(), gradients, strict=True)
    }
    return Liveness(found, frozenset(run.unfollowed))


def watched_pass(
    trace: Trace,
    tensors: Mapping[str, Tensor],
    kept: Mapping[str, Tensor],
    watch: Callable[[fx.Node, OperationCall], None],
) -> None:
    """Follow a pass as ``liveness`` does, and have ``watch`` see each operation with the patterns that it takes."""
    ones = {name: torch.ones_like(tensors[name], dtype=torch.float32) for name in trace.parameters.values()}
    leaves = {name: kept[name].to(one) if name in kept else one for name, one in ones.items()}
    with torch.no_grad():
        _Run(trace, leaves, tensors, watch).outputs()


class _Run:
    """One pass through the graph; a pattern is given up after its last use."""

    def __init__(
        self,
        trace: Trace,
        leaves: Mapping[str, Tensor],
        tensors: Mapping[str, Tensor],
        watch: Callable[[fx.Node, OperationCall], None] = lambda node, call: None,
    ) -> None:
        self._trace, self._watch = trace, watch
        self._known: dict[fx.Node, Any] = {
            trace.images: Pattern(torch.ones_like(trace.example, dtype=torch.float32), trace.example, True),
            **{node: Pattern(leaves[name], tensors[name].detach(), False) for node, name in trace.parameters.items()},
            **{node: constant(tensors[name]) for node, name in trace.buffers.items()},
        }
        self.unfollowed: set[str] = set()

    def outputs(self) -> list[Pattern]:
        nodes = self._trace.module.graph.nodes
        last = {source: node for node in nodes for source in node.all_input_nodes}
        for node in nodes:
            if node.op == "get_attr":
                self._known[node] = constant(getattr(self._trace.module, str(node.target)))
            elif node.op == "call_function":
                self._known[node] = self._result(node)
                for source in node.all_input_nodes:
                    if last[source] is node:
                        del self._known[source]
        return [self._known[node] for node in self._trace.outputs]

    def _result(self, node: fx.Node) -> Any:
        """What is known of the result of an operation: a pattern, or a list of them."""
        args: Any = map_arg(node.args, self._known.__getitem__)
        kwargs: Any = map_arg(node.kwargs, self._known.__getitem__)
        function: Any = node.target
        if function is operator.getitem:
            return args[0][args[1]]
        if draws(node):  # draws: any number may come
            return constant(torch.ones_like(node.meta["val"], device=self._trace.example.device))
        call = _call(function, args, kwargs)
        self._watch(node, call)
        parts = call.patterns
        depends = call.varies or any(part.ones.requires_grad for part in parts)
        if not depends or name_of(function) in SHAPED:
            return _constants(call.value)
        return _patterns(call, self._passed_on(call))

    def _passed_on(self, call: OperationCall) -> Ones:
        rule = rule_of(call.function)
        try:
            if rule is not None:
                return rule(call)
        except (RuntimeError, TypeError, ValueError, LookupError, AttributeError):
            pass  # an odd use of the operation
        self.unfollowed.add(name_of(call.function))
        return whole(call)


def _call(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> OperationCall:
    names = [argument.name for argument in function._schema.arguments]  # noqa: SLF001  its only description
    arguments = {**dict(zip(names, args, strict=False)), **kwargs}
    with torch.no_grad():
        value = function(**replaced(arguments, lambda part: part.value))
    return OperationCall(function, arguments, value, any(part.varies for part in patterns_of(arguments)))


def _constants(value: Any) -> Any:
    if isinstance(value, Tensor):
        return constant(value)
    return None if value is None else [_constants(each) for each in value]


def _patterns(call: OperationCall, ones: Ones) -> Any:
    make = varying if call.varies else computed
    if isinstance(ones, Tensor):
        return make(ones, call.value)
    return [None if own is None else make(own, value) for own, value in zip(ones, call.value, strict=True)]
