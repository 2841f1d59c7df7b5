"""A schedule, a penalty, a trainer and a cost of a third party."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from pruneexp.schema import Budget, LayerRow
from pruneexp.tasks.task import Task
from pruneexp.training.recipe import Recipe
from pruneexp.training.snapshot import Checkpointer
from pruneexp.training.trainer import SharedBatches, TrainingOutcome, TrainWork
from pruneexp.training.trainers.single import Single


@dataclass(frozen=True)
class Halfway:
    """One round half of the way."""

    def path(self, target: Budget, curve: Sequence[Budget]) -> tuple[Budget, ...]:
        return (target,) if target.prunes_nothing else (target.part(0.5), target)


@dataclass(frozen=True)
class Cubic:
    """``strength / 3 * sum |w|^3``."""

    strength: float

    def add_gradient_(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
        for weight, gradient in zip(weights, gradients, strict=True):
            gradient.add_(weight * weight.abs(), alpha=self.strength)


@dataclass(frozen=True)
class InTurn:
    """Several trainings at once, one after the other."""

    joins: ClassVar[bool] = True

    def refusal(self, network: nn.Module, task: Task, recipe: Recipe, device: torch.device) -> str:
        return ""

    def train(
        self, works: Sequence[TrainWork], batches: SharedBatches, checkpoint: Checkpointer | None
    ) -> list[TrainingOutcome]:
        return [outcome for work in works for outcome in Single().train([work], batches, None)]


@dataclass(frozen=True)
class MacsAt8Bit:
    """Multiply-accumulates of kept weights and non-zero inputs, each of ``bits`` by 8 bits, in those of 8 by 8."""

    bits: int = 8

    def __call__(self, rows: Sequence[LayerRow]) -> float:
        return sum(row.flop / 2 * row.flop_share for row in rows) * self.bits / 8
