"""What a trainer is: from several trainings on the same batches to what each of them came to.

Trainers lie in ``trainers``, one file each, and are named by their files; ``train.trainer`` chooses one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from pruneexp.pruning.edits.edit import Edit
from pruneexp.tasks.classification import CLASSIFICATION
from pruneexp.tasks.task import Task
from pruneexp.training.events import Listener, unheard
from pruneexp.training.fit import Diverged, Fitted, TrainingData, fit, unscored
from pruneexp.training.recipe import Recipe
from pruneexp.training.regularizers import CombinedPenalty, Penalty
from pruneexp.training.snapshot import Checkpointer

TrainingOutcome = Fitted | Diverged


@dataclass(frozen=True, kw_only=True)
class TrainWork:
    """One training: the arguments of ``fit`` that those beside it need not share."""

    network: nn.Module
    recipe: Recipe
    edit: Edit | None = None
    penalty: Penalty | CombinedPenalty | None = None
    frozen: Collection[str] = ()
    listen: Listener = unheard
    score: Callable[[], float] = unscored


@dataclass(frozen=True, kw_only=True)
class SharedBatches:
    """What trainings side by side share: task and data, their order and augmentation by ``seed``, and the device."""

    task: Task = CLASSIFICATION
    data: TrainingData
    seed: int
    device: torch.device
    augment: bool = False
    adapt: Callable[[Tensor], Tensor] | None = None


class Trainer(Protocol):
    """Trains networks in place, as ``fit`` does but for the last bits; a training's numbers depend on no other.

    ``joins`` says whether it gains by several trainings at once; otherwise it is given one at a time.
    """

    joins: ClassVar[bool]

    def refusal(self, network: nn.Module, task: Task, recipe: Recipe, device: torch.device) -> str:
        """Why it cannot train such a network for a task by such a recipe, as the end of a sentence; empty if it can."""

    def train(
        self, works: Sequence[TrainWork], batches: SharedBatches, checkpoint: Checkpointer | None
    ) -> list[TrainingOutcome]:
        """Train each; the outcomes are in the order of ``works``, whose recipes differ in learning rates at most."""


def only(works: Sequence[TrainWork]) -> TrainWork:
    """The one training of a trainer that takes no several.

    Raises:
        ValueError: there are several, of which one checkpoint cannot hold the positions.
    """
    if len(works) != 1:
        raise ValueError(f"{len(works)} trainings at once; allowed is 1")
    return works[0]


def fitted(work: TrainWork, batches: SharedBatches, checkpoint: Checkpointer | None) -> TrainingOutcome:
    """Train one network in place by ``fit``, which raises as ever but for what diverges."""
    try:
        return fit(
            work.network,
            batches.data,
            work.recipe,
            seed=batches.seed,
            device=batches.device,
            task=batches.task,
            edit=work.edit,
            penalty=work.penalty,
            frozen=work.frozen,
            augment=batches.augment,
            adapt=batches.adapt,
            checkpoint=checkpoint,
            listen=work.listen,
            score=work.score,
        )
    except Diverged as diverged:
        return diverged
