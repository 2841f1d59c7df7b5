"""What numbers leave out: weights that no layer offers for pruning, and layers whose FLOP nobody sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from pruneexp.pruning.layers import prunable, weight_of, weights

#: Names that are listed; of more, the number is said.
LISTED = 6


def overlooked(network: nn.Module, flop: Mapping[str, float]) -> str:
    """One sentence, or nothing where all is seen; to be asked after a forward and a backward pass of ``network``.

    ``flop`` holds the FLOP found for each prunable layer. A layer without any, but with a gradient, has its weight used
    by other code (``functional.linear(x, self.fc.weight)``, ``nn.MultiheadAttention``); one without a gradient is used
    by nobody. Not pruned are all parameters of two or more dimensions that are no prunable layer's weight, whatever
    kinds of layers are chosen: recurrent weights, transposed convolutions, embeddings, bare parameters. A scale per
    channel is one-dimensional in any shape.
    """
    silent = {name: weight_of(layer) for name, layer in prunable(network).items() if not flop[name]}
    idle = [name for name, weight in silent.items() if weight.requires_grad and weight.grad is None]
    reached = {id(weight): weight.numel() for weight in weights(network).values()}
    others = {
        name: parameter.numel()
        for name, parameter in network.named_parameters()
        if _is_matrix(parameter) and id(parameter) not in reached
    }
    parts = []
    if uncounted := [name for name in silent if name not in idle]:
        parts.append(f"FLOP of {_listed(uncounted)} are not counted")
    if idle:
        parts.append(f"not called by the images tried: {_listed(idle)}")
    if others:
        share = sum(others.values()) / (sum(others.values()) + sum(reached.values()))
        parts.append(f"not pruned: {_listed(list(others))}, {100 * share:.3g} % of the weights")
    return "; ".join(parts)


def _is_matrix(parameter: nn.Parameter) -> bool:
    return parameter.numel() > 0 and sum(size > 1 for size in parameter.shape) > 1


def _listed(names: Sequence[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")
