"""The pass of a network as a graph, by torch's own tracer, on tensors without content.

A graph does not show what leaves torch, draws numbers, or decides by values: such a pass has none, or its replay gives
other results than the network, which the caller compares.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensor

from pruneexp.sensitivity.replay import RecordedPass
from pruneexp.tracing.graphs import draws, recorded_graph, tensors_of, without_writes


def recorded(network: nn.Module, images: Tensor, groups: Sequence[Collection[Tensor]]) -> RecordedPass | None:
    """The pass of a batch in evaluation mode without gradients; None where some of the ``groups`` could not replay it.

    ``groups`` are parameters that change together. Where the network writes into results that their replays need, the
    graph has copies instead, which take longer.
    """
    try:
        graph = recorded_graph(network, images)
        recording = _recording(graph, network)
        if recording is None or any(map(recording.overwrites, groups)):
            recording = _recording(without_writes(graph, network, images), network)
    except Exception:  # noqa: BLE001  the network's code may raise anything where tensors have no content
        return None
    return None if recording is None or any(map(recording.overwrites, groups)) else recording


def _recording(traced: fx.GraphModule, network: nn.Module) -> RecordedPass | None:
    """The graph as it can be run; None where it draws numbers, or holds a tensor without content."""
    *places, batch = (node for node in traced.graph.nodes if node.op == "placeholder")
    operations = tuple(
        node for node in traced.graph.nodes if node.op == "call_function" and not _writes_to(node, batch)
    )
    constants = {node: getattr(traced, str(node.target)) for node in traced.graph.nodes if node.op == "get_attr"}
    output = traced.graph.output_node().args[0]
    empty = any(isinstance(value, FakeTensor) for value in constants.values())  # made in another thread
    if not isinstance(output, fx.Node) or empty or any(map(draws, operations)):
        return None
    given = dict(zip(places, tensors_of(network).values(), strict=True))
    return RecordedPass(operations, {**given, **constants}, batch, output)


def _writes_to(node: fx.Node, batch: fx.Node) -> bool:
    """Whether an operation leaves in the batch what the network made of it, which nothing reads."""
    return node.target is torch.ops.aten.copy_.default and node.args[0] is batch
