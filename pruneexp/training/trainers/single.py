"""One network at a time, by autograd: any network, recipe and device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from pruneexp.tasks.task import Task
from pruneexp.training.recipe import Recipe
from pruneexp.training.snapshot import Checkpointer
from pruneexp.training.trainer import SharedBatches, TrainingOutcome, TrainWork, fitted, only

#: No part of identities: what changes the numbers of ``fit`` raises the VERSION of the stages that train.
VERSION = 1


@dataclass(frozen=True)
class Single:
    """Trains by ``fit``."""

    joins: ClassVar[bool] = False

    def refusal(self, network: nn.Module, task: Task, recipe: Recipe, device: torch.device) -> str:
        """Nothing is refused."""
        return ""

    def train(
        self, works: Sequence[TrainWork], batches: SharedBatches, checkpoint: Checkpointer | None
    ) -> list[TrainingOutcome]:
        """Train one network; raises a ``ValueError`` for several."""
        return [fitted(only(works), batches, checkpoint)]
