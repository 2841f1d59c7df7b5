"""Metrics: what a score is measured in, which way is better, and how a change of it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """A number that says how well a network does; ``unit`` is ``%``, or empty for a number without one.

    ``direction`` is the way to the better: a larger number, or a smaller one.
    """

    name: str
    unit: str = ""
    direction: Literal["maximize", "minimize"] = "maximize"

    @property
    def change_unit(self) -> str:
        """``points`` for what is in percent already; ``%`` for other numbers, whose changes are relative."""
        return "points" if self.unit == "%" else "%"

    def change(self, dense: float, after: float) -> float:
        """``after`` against ``dense``: in points where the metric is in percent, else in percent of ``dense``."""
        if self.unit == "%":
            return after - dense
        return 100.0 * (after - dense) / abs(dense) if dense else float("nan")

    def loss(self, dense: float, after: float) -> float:
        """How much worse ``after`` is than ``dense``, as ``change`` measures it; negative where it is better."""
        change = self.change(dense, after)
        return -change if self.direction == "maximize" else change


#: Accuracy of the first guess: the metric of records that name none.
TOP1 = Metric("top1", "%")
