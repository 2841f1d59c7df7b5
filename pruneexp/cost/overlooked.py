"""What the numbers leave out: weights outside prunable layers, and layers whose FLOP no callback sees."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from torch import nn

from pruneexp.pruning.layers import prunable, weight_of, weights

#: The sentence lists so many names, and counts the others.
LISTED = 6


def overlooked(network: nn.Module, flop: Mapping[str, float], unfollowed: Collection[str] = ()) -> str:
    """One sentence, empty if nothing is left out; to be called after a forward and a backward pass of ``network``.

    ``flop`` holds the FLOP of each prunable layer. If a layer has none, but its weight has a gradient, other code uses
    the weight (``functional.linear(x, self.fc.weight)``, ``nn.MultiheadAttention``); without a gradient, no code does.
    All parameters of two or more dimensions that belong to no prunable layer of any kind count as not pruned: recurrent
    weights, transposed convolutions, embeddings, bare parameters. A scale per channel is one-dimensional in any shape.
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
    if unfollowed:
        parts.append(f"what feeds {_listed(sorted(unfollowed))} counts as alive, because it is not followed further")
    if others:
        share = sum(others.values()) / (sum(others.values()) + sum(reached.values()))
        parts.append(f"not pruned: {_listed(list(others))}, {100 * share:.3g} % of the weights")
    return "; ".join(parts)


def _is_matrix(parameter: nn.Parameter) -> bool:
    return parameter.numel() > 0 and sum(size > 1 for size in parameter.shape) > 1


def _listed(names: Sequence[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")
