"""Networks that are chains of linear layers, ReLUs and dropouts: recognised from the network alone.

The gradients of such a chain can be worked out layer by layer, without autograd (``chain_gradients``). Knows no data,
no recipe and no device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import fx, nn

from pruneexp.training.dropout_calls import Dropping
from pruneexp.training.frozen import training_except

LinkKind = Literal["flatten", "linear", "relu", "dropout", "identity"]

_MODULES: Mapping[object, LinkKind] = {
    nn.Flatten: "flatten", nn.Linear: "linear", nn.ReLU: "relu", nn.Dropout: "dropout", nn.Identity: "identity",
}  # fmt: skip
_FUNCTIONS: Mapping[object, LinkKind] = {
    torch.flatten: "flatten", torch.relu: "relu", torch.relu_: "relu", nn.functional.relu: "relu",
    "flatten": "flatten", "relu": "relu", "relu_": "relu",
}  # fmt: skip


@dataclass(frozen=True)
class ChainLink:
    """One layer of a chain; ``name`` is that of its module, empty where the layer is a function."""

    kind: LinkKind
    name: str


def stackable(network: nn.Module) -> str:
    """Why ``network`` cannot be trained in a stack, as the end of a sentence; empty if it can."""
    try:
        chain_of(network)
    except ValueError as error:
        return str(error)
    return ""


def chain_of(network: nn.Module) -> tuple[ChainLink, ...]:
    """The layers through which ``network``, in training mode, leads its flattened images, one after the other.

    The network's mode is as before, and no gradient is left.

    Raises:
        ValueError: the network is no such chain, or a layer is used twice, has hooks, is frozen or not of contiguous
            float32; the message is the reason.
    """
    with training_except(network, ()):
        links = tuple(_links(network))
    if not links or links[0].kind != "flatten":
        raise ValueError("it does not flatten its images first")
    _check_modules(network, links)
    return tuple(link for link in links if link.kind not in ("flatten", "identity"))


def _links(network: nn.Module) -> Iterator[ChainLink]:
    """The operations on the way from the images to the outputs."""
    try:
        nodes = list(fx.Tracer().trace(network).nodes)
    except Exception as error:  # the network's own code runs on stand-ins for tensors
        raise ValueError(f"its forward cannot be followed ({type(error).__name__})") from error
    for before, node in pairwise(nodes):
        if node.all_input_nodes != [before]:
            raise ValueError(f"{node.name} does not take just the result of the operation before it")
        if node.op != "output":
            yield _link(network, node)
        elif node.args != (before,):
            raise ValueError("its output is not one tensor")


def _link(network: nn.Module, node: fx.Node) -> ChainLink:
    name = str(node.target) if node.op == "call_module" else ""
    module = network.get_submodule(name)
    kind = _MODULES.get(type(module)) if name else _FUNCTIONS.get(node.target)
    if isinstance(module, nn.Flatten):
        flattens = (module.start_dim, module.end_dim) == (1, -1)
    else:
        flattens = [*node.args[1:], *node.kwargs.items()] in ([1], [("start_dim", 1)])
    if kind is None or (kind == "flatten" and not flattens):
        what = type(module).__name__ if name else getattr(node.target, "__name__", node.target)
        raise ValueError(f"{node.name} ({what}) is no layer of a chain")
    return ChainLink(kind, name)


def _check_modules(network: nn.Module, links: Sequence[ChainLink]) -> None:
    used = {link.name for link in links}
    for name, each in network.named_modules():
        if each._forward_hooks or each._forward_pre_hooks:  # noqa: SLF001  torch has no other way to ask
            raise ValueError(f"{name or type(network).__name__} has hooks")
        if isinstance(each, Dropping) and name not in used:  # ``dropout.applied`` would watch its calls by hooks
            raise ValueError(f"{name} is never used")
    if not any(link.kind == "linear" for link in links):
        raise ValueError("it has no linear layer")
    seen: set[int] = set()
    for link in links:
        if link.kind in ("linear", "dropout"):
            module = network.get_submodule(link.name)
            owned = {id(module), *map(id, module.parameters())}
            if owned & seen:
                raise ValueError(f"{link.name} is used twice")
            seen |= owned
            _check_parameters(link.name, module)


def _check_parameters(where: str, module: nn.Module) -> None:
    for name, parameter in module.named_parameters():
        if not (parameter.requires_grad and parameter.is_contiguous() and parameter.dtype is torch.float32):
            raise ValueError(f"{where}.{name} is frozen, or not of contiguous float32")
