"""A pass of a network as torch's own tracer records it, on tensors without content; knows no use of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call, functionalize
from torch.fx.experimental.proxy_tensor import make_fx


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers of a network by their dotted names, a shared one by the first of its names."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def recorded_graph(network: nn.Module, inputs: Tensor) -> fx.GraphModule:
    """The operations of a pass, as its code runs them; nothing is computed, and the network is left as it was.

    The graph has a placeholder for each of ``tensors_of(network)``, in order, and a last one for ``inputs``.

    Raises:
        Exception: of any kind, where the code of the network needs the content of activations.
    """
    tensors = tensors_of(network)

    def run(*placed: Tensor) -> Any:
        return functional_call(network, dict(zip(tensors, placed, strict=False)), (placed[-1],))

    with _attributes_kept(network):
        return _graph(run, [*tensors.values(), inputs])


def without_writes(graph: fx.GraphModule, network: nn.Module, inputs: Tensor) -> fx.GraphModule:
    """The graph of ``recorded_graph`` in which no operation changes a tensor in place: copies stand for that.

    A graph, and not a network, is made functional: what subclasses ``torch.autograd.Function`` cannot be.
    """
    return _graph(functionalize(graph), [*tensors_of(network).values(), inputs])


def writes(node: fx.Node) -> bool:
    """Whether an operation changes a tensor in place."""
    return bool(getattr(getattr(node.target, "_schema", None), "is_mutable", False))


def draws(node: fx.Node) -> bool:
    """Whether an operation draws random numbers."""
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def reached_from(start: fx.Node, nodes: Sequence[fx.Node]) -> frozenset[fx.Node]:
    """The nodes of these, in the order of a pass, that depend on ``start``, and itself."""
    found = {start}
    for node in nodes:
        if not found.isdisjoint(node.all_input_nodes):
            found.add(node)
    return frozenset(found)


def _graph(run: Callable[..., Any], values: Sequence[Tensor]) -> fx.GraphModule:
    return make_fx(run, tracing_mode="fake", _allow_non_fake_inputs=True)(*values)


@contextmanager
def _attributes_kept(network: nn.Module) -> Iterator[None]:
    """Put back what a pass leaves in a module's attributes: here, tensors without content.

    Torch itself leaves such parameters in a module that the network has under two names.
    """
    before = [
        (held, dict(held))
        for module in network.modules()
        for held in (module.__dict__, module._parameters, module._buffers)  # noqa: SLF001  no other way to all of them
    ]
    try:
        yield
    finally:
        for held, contents in before:
            held.clear()
            held.update(contents)
