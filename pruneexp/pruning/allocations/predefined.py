"""Predefined targets: what each layer, or set of channels, keeps is written down before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import ClassVar

from torch import Tensor

from pruneexp.errors import UserError
from pruneexp.pruning.allotment import Allotment, Targets
from pruneexp.pruning.allowance import Allowance
from pruneexp.pruning.masks import MaskSet
from pruneexp.schema import Budget

_ROUNDING = 1e-9  # of a number of units, which the product of floats may miss
_DIGITS = 5e-4  # of the share that is left, so that a budget may be written with three digits


@dataclass(frozen=True)
class Predefined:
    """A layer whose name matches a pattern of ``keep`` keeps this share of its units, rounded down; others keep all.

    The first pattern that matches counts. Of channels, names are those of sets. Rounding is that of the code of Liu et
    al. 2019 for the networks that Li et al. 2017 prune. The target is the budget: the share of units that it leaves of
    all layers together, or 1 for the whole network.

    Raises:
        UserError: a share is not above 0 and at most 1, a pattern matches no layer, or the budget is another one.
    """

    keep: Mapping[str, float] = field(default_factory=dict)

    targets: ClassVar[Targets] = "predefined"
    grouped: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for pattern, share in self.keep.items():
            if not (isinstance(share, int | float) and 0 < share <= 1):
                raise UserError(f"keep: {pattern} is {share}, allowed is a share in (0, 1]")

    def check(self, weights: Mapping[str, Tensor], budgets: Sequence[Budget], unit: str) -> None:
        left = sum(self._counts(weights).values()) / sum(weight.numel() for weight in weights.values())
        for budget in budgets:
            fits = budget.kind == "units" and math.isclose(budget.value, left, rel_tol=0, abs_tol=_DIGITS)
            if not (fits or budget.prunes_nothing or self.keep):
                raise UserError(
                    "criterion.allocation.keep is empty: say what layers keep, as in "
                    f"'+criterion.allocation.keep={{{next(iter(weights))}: 0.5}}'"
                )
            if not (fits or budget.prunes_nothing):
                raise UserError(
                    f"{budget.kind} {budget.value:g} asked for, but criterion.allocation.keep leaves {left:.4g} of all "
                    f"units, each a {unit}: 'curve.units=[{left:.4g}]', and schedule=one_shot"
                )

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, allowance: Allowance
    ) -> Allotment:
        self.check(weights, [allowance.budget], allowance.unit)
        counts = self._counts(weights)
        if allowance.budget.prunes_nothing:
            return Allotment(survivors.kept_per_layer)
        return Allotment({name: min(count, survivors.kept_per_layer[name]) for name, count in counts.items()})

    def _counts(self, weights: Mapping[str, Tensor]) -> dict[str, int]:
        for pattern in self.keep:
            if not any(fnmatchcase(name, pattern) for name in weights):
                raise UserError(
                    f"criterion.allocation.keep: {pattern} matches no layer whose units can go; those are "
                    f"{', '.join(weights)}."
                )
        return {name: math.floor(self._share(name) * w.numel() + _ROUNDING) for name, w in weights.items()}

    def _share(self, name: str) -> float:
        return next((share for pattern, share in self.keep.items() if fnmatchcase(name, pattern)), 1.0)
