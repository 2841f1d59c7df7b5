"""The pass of a network as a graph, by torch's own tracer, on tensors without content.

A graph does not show what leaves torch, draws numbers, or decides by values: such a pass has none, or its replay gives
other results than the network, which the caller compares.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.func import functional_call, functionalize
from torch.fx.experimental.proxy_tensor import make_fx

from pruneexp.sensitivity.replay import RecordedPass


def recorded(network: nn.Module, images: Tensor, groups: Sequence[Collection[Tensor]]) -> RecordedPass | None:
    """The pass of a batch in evaluation mode without gradients; None where some of the ``groups`` could not replay it.

    ``groups`` are parameters that change together. Where the network writes into results that their replays need, the
    graph has copies instead, which take longer.
    """
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    values = (*tensors.values(), images)

    def run(*placed: Tensor) -> Any:
        return functional_call(network, dict(zip(tensors, placed, strict=False)), (placed[-1],))

    try:
        with _attributes_kept(network):
            traced = _traced(run, values)
        recording = _recording(traced, tensors)
        if recording is None or any(map(recording.overwrites, groups)):
            recording = _recording(_traced(functionalize(traced), values), tensors)
    except Exception:  # noqa: BLE001  the network's code may raise anything where tensors have no content
        return None
    return None if recording is None or any(map(recording.overwrites, groups)) else recording


def _traced(run: Callable[..., Any], values: Sequence[Tensor]) -> fx.GraphModule:
    return make_fx(run, tracing_mode="fake", _allow_non_fake_inputs=True)(*values)


def _recording(traced: fx.GraphModule, tensors: Mapping[str, Tensor]) -> RecordedPass | None:
    """The graph as it can be run; None where it draws numbers, or holds a tensor without content."""
    *places, batch = (node for node in traced.graph.nodes if node.op == "placeholder")
    operations = tuple(
        node for node in traced.graph.nodes if node.op == "call_function" and not _writes_to(node, batch)
    )
    constants = {node: getattr(traced, str(node.target)) for node in traced.graph.nodes if node.op == "get_attr"}
    output = traced.graph.output_node().args[0]
    empty = any(isinstance(value, FakeTensor) for value in constants.values())  # made in another thread
    if not isinstance(output, fx.Node) or empty or any(map(_draws, operations)):
        return None
    return RecordedPass(operations, {**dict(zip(places, tensors.values(), strict=True)), **constants}, batch, output)


def _draws(node: fx.Node) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


@contextmanager
def _attributes_kept(network: nn.Module) -> Iterator[None]:
    """Put back what a pass leaves in a module's attributes: here, tensors without content."""
    before = [(module, dict(module.__dict__)) for module in network.modules()]
    try:
        yield
    finally:
        for module, attributes in before:
            module.__dict__.clear()
            module.__dict__.update(attributes)


def _writes_to(node: fx.Node, batch: fx.Node) -> bool:
    """Whether an operation leaves in the batch what the network made of it, which nothing reads."""
    return node.target is torch.ops.aten.copy_.default and node.args[0] is batch
