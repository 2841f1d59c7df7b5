"""The graph of one pass of a network in evaluation mode, as torch's tracer records it; nothing is computed.

Operations are those below modules and functions (``torch.ops.aten``), so it makes no difference who calls them: a
module, ``torch.nn.functional``, or an operator. Fused attention and recurrent layers appear as the products that they
stand for, and no operation changes a tensor in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.nn.attention import SDPBackend, sdpa_kernel

from pruneexp.errors import UserError, cause
from pruneexp.tracing.graphs import reached_from, recorded_graph, tensors_of, without_writes, writes
from pruneexp.tracing.mode import evaluating


@dataclass(frozen=True, eq=False)
class Trace:
    """What computes the outputs from images and tensors of the network.

    ``parameters`` and ``buffers`` name placeholders of the graph by their dotted names in the network, a shared one by
    the first of its names; ``images`` is the placeholder of ``example``, a batch (N, ...) of inputs. The ``"val"``
    in each node's ``meta`` has the shape of its result.
    """

    module: fx.GraphModule
    parameters: Mapping[fx.Node, str]
    buffers: Mapping[fx.Node, str]
    images: fx.Node
    example: Tensor

    @property
    def operations(self) -> list[fx.Node]:
        """The operations in the order of the pass."""
        return [node for node in self.module.graph.nodes if node.op == "call_function"]

    @property
    def outputs(self) -> list[fx.Node]:
        """The tensors that the network returns."""
        return list(self.module.graph.output_node().all_input_nodes)

    @cached_property
    def varying(self) -> frozenset[fx.Node]:
        """The nodes that the images lead to."""
        return reached_from(self.images, list(self.module.graph.nodes))

    @cached_property
    def origins(self) -> Mapping[fx.Node, frozenset[str]]:
        """The parameters that a node is computed from, for the nodes that no image leads to."""
        found = {node: frozenset({name}) for node, name in self.parameters.items()}
        for node in self.module.graph.nodes:
            if node not in found and node not in self.varying:
                found[node] = frozenset[str]().union(*(found[source] for source in node.all_input_nodes))
        return found


def traced(network: nn.Module, inputs: Tensor) -> Trace:
    """The graph of a pass of the first of a few ``inputs``, or of all where the network does not take one alone.

    The network, on the device of the inputs, is left as it was.

    Raises:
        UserError: the pass cannot be recorded, as where code heeds the values of activations.
    """
    try:
        return _recorded(network, inputs[:1])
    except Exception:  # noqa: BLE001  what a network does with a single image is no concern of a job that has none
        pass
    try:
        return _recorded(network, inputs)
    except Exception as error:
        raise UserError(
            "the FLOP and dead units of the model cannot be known, because a pass cannot be recorded as a graph of "
            f"torch's operations: {_reason(error)}; compute with torch.where and the like in place of an if, item() or "
            "numpy that read activations"
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, GuardOnDataDependentSymNode):
        return "what it does depends on the values of activations"
    return cause(error).rstrip(".")


def _recorded(network: nn.Module, example: Tensor) -> Trace:
    with _unfused(network):
        module = recorded_graph(network, example)
        if any(map(writes, module.graph.nodes)):
            module = without_writes(module, network, example)
    *own, images = (node for node in module.graph.nodes if node.op == "placeholder")
    named = dict(zip(own, tensors_of(network), strict=True))
    parameters = dict(network.named_parameters())
    trace = Trace(
        module,
        {node: name for node, name in named.items() if name in parameters},
        {node: name for node, name in named.items() if name not in parameters},
        images,
        example,
    )
    _check(trace)
    return trace


@contextmanager
def _unfused(network: nn.Module) -> Iterator[None]:
    """Without gradients and without the operations that stand for many products at once."""
    with ExitStack() as stack:
        stack.enter_context(evaluating(network))
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.backends.mkldnn.flags(enabled=False, allow_tf32=None))
        stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield


def _check(trace: Trace) -> None:
    """Refuse a graph that lost the way of the activations, because they left torch for Python or numpy."""
    if not any(node in trace.varying for node in trace.outputs):
        raise ValueError("the outputs do not follow from the images by operations of torch")
    for node in trace.operations:
        value = node.meta.get("val")
        sizes = value.shape if isinstance(value, Tensor) else (value,)
        if any(isinstance(size, torch.SymInt | torch.SymFloat | torch.SymBool) for size in sizes):
            raise ValueError(f"the result of {node.target} has a size or value that depends on activations")
