"""A trainer of a third party, and what it was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from pruneexp.tasks.task import Task
from pruneexp.training.recipe import Recipe
from pruneexp.training.snapshot import Checkpointer
from pruneexp.training.trainer import SharedBatches, TrainingOutcome, TrainWork
from pruneexp.training.trainers.single import Single


@dataclass(frozen=True)
class InTurn:
    """Takes several trainings at once and does one after the other, each from its start; ``seen`` counts them."""

    refused: str = ""
    joins: ClassVar[bool] = True
    seen: ClassVar[list[int]] = []

    def refusal(self, network: nn.Module, task: Task, recipe: Recipe, device: torch.device) -> str:
        return self.refused

    def train(
        self, works: Sequence[TrainWork], batches: SharedBatches, checkpoint: Checkpointer | None
    ) -> list[TrainingOutcome]:
        self.seen.append(len(works))
        return [outcome for work in works for outcome in Single().train([work], batches, None)]
