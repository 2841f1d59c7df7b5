"""Channels that no input changes: what they add to the layers that read them, where that is the same at every place.

A channel whose rows are pruned still gives its bias, or what batch normalisation makes of zero. A layer that reads it
has that in its own bias as well. At the edges of a padded convolution a constant other than zero meets zeros, so that
no bias stands for it. Knows no couplings and removes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from pruneexp.pruning.layers import prunable
from pruneexp.pruning.liveness import watched_pass
from pruneexp.pruning.pattern_rules import name_of
from pruneexp.pruning.patterns import OperationCall
from pruneexp.tracing.graphs import tensors_of
from pruneexp.tracing.trace import Trace

#: Contributions that differ by less from place to place, relative to the largest, are the same: sums in another order.
_SAME = 1e-5


@dataclass(frozen=True, eq=False)
class ConstantInputs:
    """What one layer reads: ``same`` marks inputs that add the same to its outputs for all inputs of the network.

    ``added`` has what each such input adds to each output, (outputs, inputs), and zeros for all others.
    """

    same: Tensor
    added: Tensor


def constant_inputs(trace: Trace, network: nn.Module, masks: Mapping[str, Tensor]) -> dict[str, ConstantInputs]:
    """By the names of their weights, what convolutions and linear layers read that is constant in evaluation mode.

    ``network`` has zeros where the masks prune; ``trace`` is the graph of a pass of it. Layers that run more than once
    in a pass, and convolutions in groups or transposed, are left out.
    """
    layers = {layer.parameter: name for name, layer in prunable(network).items() if layer.module}
    found: dict[str, ConstantInputs] = {}
    calls: dict[str, int] = {}

    def watch(node: fx.Node, call: OperationCall) -> None:
        weight = _weight(trace, node)
        if weight in layers:
            calls[weight] = calls.get(weight, 0) + 1
            constants = _convolved(call) if name_of(node.target) == "convolution" else _multiplied(call)
            if constants is not None:
                found[weight] = constants

    kept = {parameter: masks[name] for parameter, name in layers.items() if name in masks}
    watched_pass(trace, tensors_of(network), kept, watch)
    return {weight: constants for weight, constants in found.items() if calls[weight] == 1}


def _weight(trace: Trace, node: fx.Node) -> str:
    """The parameter that activations are multiplied by, as a linear layer or a convolution does."""
    place = {"convolution": 1, "mm": 1, "addmm": 2}.get(name_of(node.target))
    factor = None if place is None else node.args[place]
    if isinstance(factor, fx.Node) and factor.target is torch.ops.aten.t.default:
        factor = factor.args[0]
    return trace.parameters.get(factor, "") if isinstance(factor, fx.Node) else ""


def _convolved(call: OperationCall) -> ConstantInputs | None:
    if call["groups"] != 1 or call["transposed"]:
        return None
    images, weight = call.pattern("input"), call.pattern("weight").value
    still = ~images.ones.bool().transpose(0, 1).flatten(1).any(1)
    added = weight.new_zeros(weight.shape[:2])
    rest = [call[name] for name in ("stride", "padding", "dilation", "transposed", "output_padding", "groups")]
    for channel in still.nonzero().flatten().tolist():
        part = slice(channel, channel + 1)
        if bool(images.value[:, part].any()) and bool(weight[:, part].any()):
            product = torch.ops.aten.convolution.default(images.value[:, part], weight[:, part], None, *rest)
            by_output = product.transpose(0, 1).flatten(1)
            still[channel] = bool(_constant(by_output).all())
            added[:, channel] = by_output[:, 0] * still[channel]
    return ConstantInputs(still.cpu(), added)


def _multiplied(call: OperationCall) -> ConstantInputs | None:
    rows = call["mat1"] or call["self"]
    matrix = call.pattern("mat2").value
    still = ~rows.ones.bool().any(0) & _constant(rows.value.T)
    return ConstantInputs(still.cpu(), matrix.T * (rows.value[0] * still))


def _constant(values: Tensor) -> Tensor:
    """Whether the values of each row are the same."""
    apart = values.amax(1) - values.amin(1)
    return apart <= _SAME * values.abs().amax(1)
