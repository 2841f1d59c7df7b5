"""What the numbers leave out: weights that are not pruned, and what could not be counted or followed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from torch import nn

from pruneexp.pruning.layers import prunable

#: The sentence lists so many names, and counts the others.
LISTED = 6


def overlooked(
    network: nn.Module, scope: Collection[str], flop: Mapping[str, float], unfollowed: Collection[str] = ()
) -> str:
    """One sentence, empty if nothing is left out; to be called after a forward and a backward pass of ``network``.

    ``scope`` names the layers that lose weights, and ``flop`` holds the FLOP of each layer. A convolution, linear layer
    or recurrent weight without any, whose weight has a gradient, is used in another way than by products; without a
    gradient, no code uses it. ``unfollowed`` names the operations through which dead units are not followed.
    """
    layers = prunable(network)
    idle = [name for name, layer in layers.items() if layer.weight.requires_grad and layer.weight.grad is None]
    multiplied = [name for name, layer in layers.items() if layer.kind in ("conv", "linear", "recurrent")]
    parts = []
    if uncounted := [name for name in multiplied if not flop[name] and name not in idle]:
        parts.append(f"FLOP of {_listed(uncounted)} are not counted")
    if idle := [name for name in idle if not flop[name]]:
        parts.append(f"not called by the images tried: {_listed(idle)}")
    if unfollowed:
        parts.append(f"what feeds {_listed(sorted(unfollowed))} counts as alive, because it is not followed further")
    if others := {name: layer.weight.numel() for name, layer in layers.items() if name not in scope}:
        share = sum(others.values()) / sum(layer.weight.numel() for layer in layers.values())
        parts.append(f"not pruned: {_listed(list(others))}, {100 * share:.3g} % of the weights")
    return "; ".join(parts)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")
