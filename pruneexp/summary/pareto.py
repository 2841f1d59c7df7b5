"""The Pareto front of accuracy and density: which networks no other one beats.

A score is a pair (accuracy, density): more of the first is better, less of the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

Name = TypeVar("Name")


def dominated(one: tuple[float, float], others: Sequence[tuple[float, float]], margin: float = 0.0) -> bool:
    """Whether some other (accuracy, density) is at least ``margin`` points better and no larger."""
    accuracy, density = one
    return any(
        (other[0] >= accuracy + margin and other[1] <= density) and (other[0] > accuracy or other[1] < density)
        for other in others
    )


def pareto_front(scored: Mapping[Name, tuple[float, float]]) -> list[Name]:
    """Names of the scores that no other one dominates, the sparsest first; of equal scores only the first."""
    found: list[Name] = []
    for name, (accuracy, _) in sorted(scored.items(), key=lambda pair: (pair[1][1], -pair[1][0])):
        if not found or accuracy > scored[found[-1]][0]:
            found.append(name)
    return found
