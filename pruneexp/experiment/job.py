"""One curve as a value: its setting, and the stages that its mode and schedule lead to each of its points by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from pruneexp.experiment.spec import JobSpec
from pruneexp.schema import Budget
from pruneexp.stages.graph import Route
from pruneexp.stages.parts import Part, code_of
from pruneexp.stages.setting import Setting


class Schedule(Protocol):
    """The rounds that lead to a budget: ``path`` is mildest first and ends with ``target``."""

    def path(self, target: Budget, curve: Sequence[Budget]) -> tuple[Budget, ...]: ...


class Mode(Protocol):
    """The stages of one trade-off point."""

    def route(self, setting: Setting, path: Sequence[Budget]) -> Route: ...


@dataclass(frozen=True)
class Job:
    """One curve; ``spec`` is what was asked for, with names of layers as text.

    ``overlooked`` says which weights are not pruned and which FLOP not counted, if any.
    """

    spec: JobSpec
    setting: Setting
    schedule: Part[Schedule]
    mode: Part[Mode]
    overlooked: str = ""

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """Those of the curve, mildest first."""
        return self.spec.budgets

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """The stages of each point of the curve."""
        return tuple(self.route(budget, self.budgets) for budget in self.budgets)

    @property
    def path(self) -> tuple[Budget, ...]:
        """The budgets of the whole curve where the rounds that lead to one depend on the others, else nothing."""
        rounds = self.schedule.value.path
        depends = any(rounds(budget, self.budgets) != rounds(budget, (budget,)) for budget in self.budgets)
        return self.budgets if depends else ()

    def route(self, budget: Budget, curve: Sequence[Budget] = ()) -> Route:
        """The stages that lead to a budget of a curve; without one, to a budget beside every curve.

        The code of a mode that is not ours identifies every stage but the dense network.
        """
        path = self.schedule.value.path(budget, curve or (budget,))
        return self.mode.value.route(self.setting, path).signed(code_of(self.mode.identity))
