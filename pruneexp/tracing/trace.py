"""The graph of one pass of a network in evaluation mode, as torch's tracer records it; nothing is computed.

Operations are those below modules and functions (``torch.ops.aten``), so it makes no difference who calls them: a
module, ``torch.nn.functional``, or an operator. Fused attention and recurrent layers appear as the products that they
stand for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call, functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from pruneexp.errors import cause
from pruneexp.pruning.layers import evaluating


class Untraceable(Exception):
    """The code of the network cannot be recorded, as where it heeds the values of activations; the text says why."""


@dataclass(frozen=True, eq=False)
class Trace:
    """What computes the outputs from the example and the parameters.

    ``parameters`` and ``buffers`` name placeholders of the graph by their dotted names in the network, a shared one by
    the first of its names; ``example`` is the placeholder of the inputs. Each node's ``meta["val"]`` has its shape.
    """

    graph: fx.Graph
    parameters: Mapping[fx.Node, str]
    buffers: Mapping[fx.Node, str]
    example: fx.Node

    @property
    def outputs(self) -> list[fx.Node]:
        """The tensors that the network returns."""
        return list(self.graph.output_node().all_input_nodes)


def traced(network: nn.Module, example: Tensor) -> Trace:
    """The graph of a pass of ``example``, a batch (N, ...); the network and its mode are as before.

    Raises:
        Untraceable: the pass cannot be recorded.
    """
    parameters, buffers = dict(network.named_parameters()), dict(network.named_buffers())
    names = [*parameters, *buffers]

    def run(*tensors: Tensor) -> Any:
        return functional_call(network, dict(zip(names, tensors[:-1], strict=True)), (tensors[-1],))

    fused = torch.backends.mkldnn.flags(enabled=False)  # type: ignore[no-untyped-call]  # one operation of many products
    try:
        with evaluating(network), torch.no_grad(), fused, sdpa_kernel(SDPBackend.MATH):
            graph = make_fx(functionalize(run), tracing_mode="fake")(*parameters.values(), *buffers.values(), example).graph
    except Exception as error:
        raise Untraceable(cause(error)) from error
    *places, last = (node for node in graph.nodes if node.op == "placeholder")
    named = dict(zip(places, names, strict=True))
    return Trace(
        graph,
        {node: name for node, name in named.items() if name in parameters},
        {node: name for node, name in named.items() if name in buffers},
        last,
    )
