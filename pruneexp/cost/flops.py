"""FLOP of the dense network from the graph of one pass, parameter by parameter; knows no masks.

Only products count, as in Han et al. 2015, Tables 2 to 5: two FLOP per multiply-add of a matrix product or a
convolution, and none for biases, pooling, normalisation, non-linearities and look-ups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, fx, nn

from pruneexp.pruning.guides import map_size
from pruneexp.pruning.layers import prunable
from pruneexp.tracing.trace import Trace

_aten = torch.ops.aten
#: Where the two factors of a product stand among the arguments.
_MATRIX_PRODUCTS = {
    _aten.mm.default: (0, 1),
    _aten.bmm.default: (0, 1),
    _aten.mv.default: (0, 1),
    _aten.dot.default: (0, 1),
    _aten.addmm.default: (1, 2),
    _aten.addmv.default: (1, 2),
    _aten.baddbmm.default: (1, 2),
}


@dataclass(frozen=True)
class DenseFlop:
    """FLOP of the dense network for one image.

    ``parameters`` has those of each parameter's products with activations and constants, by its name in the network.
    ``total`` counts all products of the pass, also those of activations with each other, as attention has them.
    """

    parameters: Mapping[str, float]
    total: float


def dense_flop(trace: Trace) -> DenseFlop:
    """Count the products of a pass.

    A product with something that several parameters make up, as where weights are concatenated or multiplied, is shared
    out among them by their numbers of weights. Convolutions run over padding as over the rest.
    """
    sizes = {name: _numbers(node) for node, name in trace.parameters.items()}
    counted, total = dict.fromkeys(sizes, 0.0), 0.0
    for node in trace.operations:
        factors = _factors(node)
        if factors is None:
            continue
        flop = _flop(node, *factors) / len(trace.example)
        total += flop
        made_of = _parameters(trace, factors)
        for name in made_of:
            counted[name] += flop * sizes[name] / sum(sizes[each] for each in made_of)
    return DenseFlop(counted, total)


def by_layer(network: nn.Module, flop: DenseFlop) -> dict[str, float]:
    """Dense FLOP of each prunable layer for one image, in registration order; a layer that no product uses has 0."""
    return {name: flop.parameters[layer.parameter] for name, layer in prunable(network).items()}


def map_sizes(network: nn.Module, flop: DenseFlop) -> dict[str, int]:
    """The pixels of the maps that each convolution gives, in registration order, without those that no product uses."""
    found, layers = by_layer(network, flop), prunable(network)
    sizes = {name: layer.weight.numel() for name, layer in layers.items() if layer.kind == "conv" and found[name]}
    return {name: map_size(found[name], size) for name, size in sizes.items()}


def _factors(node: fx.Node) -> tuple[fx.Node, fx.Node] | None:
    """The two nodes that an operation multiplies, the activations of a convolution first; None for other operations."""
    if node.target is _aten.convolution.default:
        places = (0, 1)
    elif node.target in _MATRIX_PRODUCTS:
        places = _MATRIX_PRODUCTS[node.target]
    else:
        return None
    first, second = (node.args[place] for place in places)
    assert isinstance(first, fx.Node)
    assert isinstance(second, fx.Node)
    return first, second


def _flop(node: fx.Node, first: fx.Node, second: fx.Node) -> float:
    if node.target is not _aten.convolution.default:
        return 2.0 * _numbers(node) * _tensor(first).shape[-1]
    transposed = bool(node.args[6])
    positions = _numbers(first) if transposed else _numbers(node)
    return 2.0 * positions * prod(_tensor(second).shape[1:])  # each position meets one filter's weights


def _parameters(trace: Trace, factors: tuple[fx.Node, fx.Node]) -> frozenset[str]:
    """The parameters that something else is multiplied by: none where neither factor is made of them, or both are."""
    made_of = [names for factor in factors if (names := trace.origins.get(factor))]
    return made_of[0] if len(made_of) == 1 else frozenset()


def _numbers(node: fx.Node) -> int:
    return _tensor(node).numel()


def _tensor(node: fx.Node) -> Tensor:
    value = node.meta["val"]
    assert isinstance(value, Tensor)
    return value
