"""One number over seeds: its mean and how far it scatters."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple


class Spread(NamedTuple):
    """Mean over ``n`` seeds; ``std`` is the sample standard deviation (ddof = 1), absent for one seed."""

    mean: float
    std: float | None
    low: float
    high: float
    n: int


def spread(values: Iterable[float]) -> Spread:
    """Summarise at least one finite value; the order of the values changes nothing, not even the last bit.

    Raises:
        ValueError: there is no value, or one is not finite.
    """
    ordered = sorted(float(value) for value in values)
    n = len(ordered)
    if not n or not all(map(math.isfinite, ordered)):
        raise ValueError(f"a mean needs at least one value, all of them finite; got {ordered}")
    mean = math.fsum(ordered) / n
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in ordered) / (n - 1)) if n > 1 else None
    return Spread(mean, std, ordered[0], ordered[-1], n)
