"""Several small networks side by side on the same batches, on a CPU: chains of linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from pruneexp.tasks.classification import Classification
from pruneexp.tasks.task import Task
from pruneexp.training.chain import stackable
from pruneexp.training.recipe import Recipe
from pruneexp.training.snapshot import Checkpointer
from pruneexp.training.stacked import fit_stacked
from pruneexp.training.trainer import SharedBatches, TrainingOutcome, TrainWork

#: Raised where the numbers of a network change that is trained so.
VERSION = 1


@dataclass(frozen=True)
class Stacked:
    """Trains by ``fit_stacked``, ``threads`` networks at a time, which change no number; None: as many as torch has."""

    threads: int | None = None
    joins: ClassVar[bool] = True

    def refusal(self, network: nn.Module, task: Task, recipe: Recipe, device: torch.device) -> str:
        """Networks that are no chains, other tasks, other precisions and other devices are refused."""
        if not isinstance(task, Classification):
            return f"it trains classifiers, and the task is {task.name}"
        if device.type != "cpu":
            return f"it trains on a CPU, and the device is {device.type}"
        if recipe.precision != "float32":
            return f"it trains in float32, and the precision is {recipe.precision}"
        return stackable(network)

    def train(
        self, works: Sequence[TrainWork], batches: SharedBatches, checkpoint: Checkpointer | None
    ) -> list[TrainingOutcome]:
        """Train all of them; raises as ``fit_stacked`` does."""
        return fit_stacked(works, batches, checkpoint, self.threads)
