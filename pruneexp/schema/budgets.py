"""Budgets: how much pruning is to leave, and in which measure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

BudgetKind = Literal["density", "quality", "units", "flop", "parameters", "bytes"]


@dataclass(frozen=True)
class Measure:
    """What the number of a budget means. ``plural`` names a list of them, as in ``curve.densities``.

    ``letter`` stands for it in names of runs. A ``share`` lies in (0, 1]: 1 prunes nothing, and less is harder. What is
    no share is 0 or more: 0 prunes nothing, and more is harder.
    """

    plural: str
    letter: str
    says: str
    share: bool = True


MEASURES: Mapping[BudgetKind, Measure] = {
    "density": Measure("densities", "d", "kept / total weights"),
    "quality": Measure("qualities", "q", "threshold in standard deviations of a layer", share=False),
    "units": Measure("units", "u", "kept / total units of the criterion"),
    "flop": Measure("flops", "f", "kept / total FLOP of the network"),
    "parameters": Measure("parameters", "p", "kept / total parameters of the network"),
    "bytes": Measure("bytes", "b", "kept / total bytes of the network"),
}


@dataclass(frozen=True)
class Budget:
    """How much pruning leaves. Of shares, ``density`` is that of the weights in scope; ``MEASURES`` has all kinds.

    A quality ``q >= 0`` sets the threshold of a layer to q times its standard deviation (Han et al. 2015, section 3).
    """

    kind: BudgetKind
    value: float

    @property
    def measure(self) -> Measure:
        """What the value means."""
        return MEASURES[self.kind]

    @property
    def letter(self) -> str:
        """``d`` of a density, ``q`` of a quality."""
        return self.measure.letter

    @property
    def text(self) -> str:
        """``d=0.1`` or ``q=0.75``."""
        return f"{self.letter}={self.value:g}"

    @property
    def prunes_nothing(self) -> bool:
        """Whether it lets every weight stay."""
        return self.value == (1 if self.measure.share else 0)

    @property
    def severity(self) -> float:
        """A number that grows as budgets of one kind leave less."""
        return -self.value if self.measure.share else self.value

    @property
    def mistake(self) -> str:
        """Why there is no such budget, in words; empty for one that there is."""
        if self.measure.share and not 0 < self.value <= 1:
            return f"{self.kind.capitalize()} {self.value:g} is out of range; it is {self.measure.says}, in (0, 1]."
        if not self.measure.share and not (self.value >= 0 and math.isfinite(self.value)):
            return f"Quality {self.value:g} is out of range; a quality is a finite number of at least 0."
        return ""

    def at(self, value: float) -> Budget:
        """A budget of the same kind."""
        return Budget(self.kind, value)

    def part(self, share: float) -> Budget:
        """The budget a share of the way to this one, where each step of the way prunes the same share of what is left.

        Shares go geometrically, ``value ** share``; others linearly.
        """
        return self.at(self.value**share if self.measure.share else self.value * share)


def nothing(kind: BudgetKind) -> Budget:
    """The budget of a kind that prunes nothing."""
    return Budget(kind, 1.0 if MEASURES[kind].share else 0.0)
