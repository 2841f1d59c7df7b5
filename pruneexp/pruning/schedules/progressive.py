"""Progressive: one long iterative run through the curve's own budgets (Han et al. 2015, Figure 5, "iterative")."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pruneexp.schema import Budget, nothing


@dataclass(frozen=True)
class Progressive:
    """Every milder budget of the curve is a round on the way, so a whole curve costs one retraining per point.

    With ``start``, a number of the kind that the curve's budgets are, targets up to ``start`` take one round and the
    others begin with a round at ``start``, as in Figure 5 at 5x. Budgets that prune nothing are no rounds.

    Raises:
        ValueError: ``start`` is not a finite number above 0.
    """

    start: float | None = None

    def __post_init__(self) -> None:
        if self.start is not None and not (math.isfinite(self.start) and self.start > 0):
            raise ValueError(f"start is {self.start}, must be a density in (0, 1] or a quality above 0")

    def path(self, target: Budget, curve: Sequence[Budget]) -> tuple[Budget, ...]:
        """The milder budgets of ``curve``, mildest first, and then ``target``."""
        rounds = {budget for budget in curve if budget.kind == target.kind}
        if self.start is not None:
            start = target.at(self.start)
            rounds = {budget for budget in rounds if budget.severity > start.severity} | {start}
        least = nothing(target.kind).severity
        milder = {budget for budget in rounds if least < budget.severity < target.severity}
        return (*sorted(milder, key=lambda budget: budget.severity), target)
