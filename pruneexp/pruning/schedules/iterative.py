"""Iterative: a fixed number of rounds, each pruning the survivors of the last (Han et al. 2015, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pruneexp.schema import Budget


@dataclass(frozen=True)
class Iterative:
    """Every round prunes the same share of the survivors: densities d ** (k / rounds), qualities q * k / rounds.

    A target that prunes nothing (density 1 or quality 0) takes a single round.

    Raises:
        ValueError: ``rounds`` is below 1.
    """

    rounds: int = 5

    def __post_init__(self) -> None:
        if not isinstance(self.rounds, int) or self.rounds < 1:
            raise ValueError(f"rounds is {self.rounds}, must be a whole number of at least 1")

    def path(self, target: Budget, curve: Sequence[Budget]) -> tuple[Budget, ...]:
        """The budgets of the rounds that lead to ``target``, mildest first; ``curve`` has no effect."""
        if target.value == (1 if target.kind == "density" else 0):
            return (target,)
        shares = [k / self.rounds for k in range(1, self.rounds)]
        if target.kind == "density":
            steps = [target.value**share for share in shares]
        else:
            steps = [target.value * share for share in shares]
        return tuple(Budget(target.kind, step) for step in dict.fromkeys((*steps, target.value)))
