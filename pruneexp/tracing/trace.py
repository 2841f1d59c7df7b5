"""The graph of one pass of a network in evaluation mode, as torch's tracer records it; nothing is computed.

Operations are those below modules and functions (``torch.ops.aten``), so it makes no difference who calls them: a
module, ``torch.nn.functional``, or an operator. Fused attention and recurrent layers appear as the products that they
stand for, and no operation changes a tensor in place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call, functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.nn.attention import SDPBackend, sdpa_kernel

from pruneexp.errors import UserError, cause
from pruneexp.tracing.mode import evaluating


@dataclass(frozen=True, eq=False)
class Trace:
    """What computes the outputs from images and tensors of the network.

    ``parameters`` and ``buffers`` name placeholders of the graph by their dotted names in the network, a shared one by
    the first of its names; ``images`` is the placeholder of ``example``, a batch (N, C, H, W) of noise. The ``"val"``
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
        found = {self.images}
        for node in self.module.graph.nodes:
            if any(source in found for source in node.all_input_nodes):
                found.add(node)
        return frozenset(found)

    @cached_property
    def origins(self) -> Mapping[fx.Node, frozenset[str]]:
        """The parameters that a node is computed from, for the nodes that no image leads to."""
        found = {node: frozenset({name}) for node, name in self.parameters.items()}
        for node in self.module.graph.nodes:
            if node not in found and node not in self.varying:
                found[node] = frozenset[str]().union(*(found[source] for source in node.all_input_nodes))
        return found


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers of a network by the names that a trace has for them."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def traced(network: nn.Module, shape: tuple[int, ...]) -> Trace:
    """The graph of a pass of images of ``shape`` (C, H, W) on the network's device; the network is left as it was.

    One image, or two where the network does not take one alone.

    Raises:
        UserError: the pass cannot be recorded, as where code heeds the values of activations.
    """
    try:
        return _recorded(network, _noise(network, 1, shape))
    except Exception:  # noqa: BLE001  what a network does with a single image is no concern of a job that has none
        pass
    try:
        return _recorded(network, _noise(network, 2, shape))
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


def _noise(network: nn.Module, images: int, shape: tuple[int, ...]) -> Tensor:
    device = next(network.parameters()).device
    return torch.randn(images, *shape, generator=torch.Generator().manual_seed(0)).to(device)


def _recorded(network: nn.Module, example: Tensor) -> Trace:
    parameters, buffers = dict(network.named_parameters()), dict(network.named_buffers())
    names = [*parameters, *buffers]

    def run(*tensors: Tensor) -> Any:
        return functional_call(network, dict(zip(names, tensors[:-1], strict=True)), (tensors[-1],))

    inputs = (*parameters.values(), *buffers.values(), example)
    with _unfused(network):
        module = _graph(run, inputs)
        if any(_in_place(node) for node in module.graph.nodes):
            module = _graph(functionalize(module), inputs)  # not at once: autograd.Function cannot be made functional
    *own, images = (node for node in module.graph.nodes if node.op == "placeholder")
    named = dict(zip(own, names, strict=True))
    trace = Trace(
        module,
        {node: name for node, name in named.items() if name in parameters},
        {node: name for node, name in named.items() if name in buffers},
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


def _graph(run: Callable[..., Any], inputs: tuple[Tensor, ...]) -> fx.GraphModule:
    return make_fx(run, tracing_mode="fake", _allow_non_fake_inputs=True)(*inputs)


def _in_place(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable  # noqa: SLF001


def _check(trace: Trace) -> None:
    """Refuse a graph that lost the way of the activations, because they left torch for Python or numpy."""
    if not any(node in trace.varying for node in trace.outputs):
        raise ValueError("the outputs do not follow from the images by operations of torch")
    for node in trace.operations:
        value = node.meta.get("val")
        sizes = value.shape if isinstance(value, Tensor) else (value,)
        if any(isinstance(size, torch.SymInt | torch.SymFloat | torch.SymBool) for size in sizes):
            raise ValueError(f"the result of {node.target} has a size or value that depends on activations")
