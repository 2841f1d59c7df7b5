"""One shot: prune once to the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pruneexp.schema import Budget


@dataclass(frozen=True)
class OneShot:
    """A single round."""

    def path(self, target: Budget, curve: Sequence[Budget]) -> tuple[Budget, ...]:
        """The target alone; ``curve`` has no effect."""
        return (target,)
