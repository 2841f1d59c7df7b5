"""Iterative: a fixed number of rounds, each pruning the survivors of the last (Han et al. 2015, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pruneexp.schema import Budget


@dataclass(frozen=True)
class Iterative:
    """Every round prunes the same share of the survivors: shares s ** (k / rounds), qualities q * k / rounds.

    A target that prunes nothing takes a single round.

    Raises:
        ValueError: ``rounds`` is below 1.
    """

    rounds: int = 5

    def __post_init__(self) -> None:
        if not isinstance(self.rounds, int) or self.rounds < 1:
            raise ValueError(f"rounds is {self.rounds}, must be a whole number of at least 1")

    def path(self, target: Budget, curve: Sequence[Budget]) -> tuple[Budget, ...]:
        """The budgets of the rounds that lead to ``target``, mildest first; ``curve`` has no effect."""
        if target.prunes_nothing:
            return (target,)
        steps = [target.part(k / self.rounds) for k in range(1, self.rounds)]
        return tuple(dict.fromkeys((*steps, target)))
