"""The Pareto front of merit and density: which networks no other one beats.

A score is a pair (merit, density), the first as ``Metric.merit`` gives it: more of it is better, less of the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

Name = TypeVar("Name")


def dominated(one: tuple[float, float], others: Sequence[tuple[float, float]], margin: float = 0.0) -> bool:
    """Whether some other (merit, density) is better by at least ``margin`` and no larger."""
    merit, density = one
    return any(
        (other[0] >= merit + margin and other[1] <= density) and (other[0] > merit or other[1] < density)
        for other in others
    )


def pareto_front(scored: Mapping[Name, tuple[float, float]]) -> list[Name]:
    """Names of the scores that no other one dominates, the sparsest first; of equal scores only the first."""
    found: list[Name] = []
    for name, (merit, _) in sorted(scored.items(), key=lambda pair: (pair[1][1], -pair[1][0])):
        if not found or merit > scored[found[-1]][0]:
            found.append(name)
    return found
