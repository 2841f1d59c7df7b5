"""N:M patterns: of every M consecutive weights N stay, as sparse tensor cores need it (Mishra et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from pruneexp.errors import UserError
from pruneexp.pruning.allotment import Allotment, InputGroups, Targets, check_single
from pruneexp.pruning.allowance import Allowance
from pruneexp.pruning.masks import MaskSet
from pruneexp.schema import Budget

_ROUNDING = 1e-6  # of n / m, so that 0.333333 is a third


@dataclass(frozen=True)
class NOfM:
    """Of ``m`` consecutive weights along the second dimension, the inputs of a layer, the best ``n`` stay.

    The second dimension holds the inputs of linear and recurrent layers and the input channels of convolutions, of
    which the groups lie at one place of a kernel. The pattern is the budget: a density of n / m, or 1 for no pattern.

    Raises:
        UserError: ``n`` and ``m`` are no whole numbers with 1 <= n < m; the budget is another one, a layer's inputs are
            no multiple of ``m``, or the units are no single weights.
    """

    n: int = 2
    m: int = 4

    targets: ClassVar[Targets] = "predefined"
    grouped: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (isinstance(self.n, int) and isinstance(self.m, int) and 1 <= self.n < self.m):
            raise UserError(
                f"criterion.allocation.n={self.n}, m={self.m}: allowed are whole numbers with 1 <= n < m, such as 2 "
                "and 4"
            )

    def check(self, weights: Mapping[str, Tensor], budgets: Sequence[Budget], unit: str) -> None:
        check_single(unit, f"{self.n} of every {self.m} weights are kept")
        for budget in budgets:
            self._check_budget(budget)
        if all(budget.prunes_nothing for budget in budgets):
            return
        if unfit := {name: weight.shape[1] for name, weight in weights.items() if weight.shape[1] % self.m}:
            counts = ", ".join(f"{name} has {inputs}" for name, inputs in unfit.items())
            raise UserError(
                f"the inputs of these layers are no multiple of criterion.allocation.m={self.m}: {counts}; leave them "
                f"out with 'criterion.exclude=[{','.join(unfit)}]'"
            )

    def _check_budget(self, budget: Budget) -> None:
        fits = math.isclose(budget.value, self.n / self.m, rel_tol=0, abs_tol=_ROUNDING)
        if budget.kind != "density" or not (fits or budget.prunes_nothing):
            raise UserError(
                f"{budget.kind} {budget.value:g} asked for, but {self.n} of every {self.m} weights are kept, which is "
                f"a density of {self.n / self.m:g}: 'curve.densities=[{self.n / self.m:g}]', and schedule=one_shot"
            )

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, allowance: Allowance
    ) -> Allotment:
        self.check(weights, [allowance.budget], allowance.unit)
        if allowance.budget.prunes_nothing:
            return Allotment(survivors.kept_per_layer)
        groups = dict.fromkeys(weights, InputGroups(self.m, self.n))
        return Allotment({n: w.numel() // self.m * self.n for n, w in weights.items()}, groups=groups)
