"""One network at a time at the size that its masks leave it: without the channels that no kept weight reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import nn

from pruneexp.errors import UserError
from pruneexp.pruning.enforcement import on_device
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.narrow import narrowed, place_
from pruneexp.pruning.removal import SmallNetwork
from pruneexp.tasks.task import Task
from pruneexp.tracing.graphs import tensors_of
from pruneexp.training.fit import Diverged
from pruneexp.training.recipe import Recipe
from pruneexp.training.snapshot import Checkpointer
from pruneexp.training.trainer import SharedBatches, TrainingOutcome, TrainWork, fitted, only

#: Raised where the numbers of a network change that is trained so.
VERSION = 1


@dataclass(frozen=True)
class Removed:
    """Trains the small network by ``fit``, and puts what it learned back in its place in the whole one.

    Both compute the same, so the numbers are those of ``single`` but for their last bits; dropout draws for the small
    sizes, and clipping counts no gradient that a penalty has on what is gone. A network that nothing can be taken out
    of, or that training edits otherwise than by masks, is trained whole.
    """

    joins: ClassVar[bool] = False

    def refusal(self, network: nn.Module, task: Task, recipe: Recipe, device: torch.device) -> str:
        """Nothing is refused."""
        return ""

    def train(
        self, works: Sequence[TrainWork], batches: SharedBatches, checkpoint: Checkpointer | None
    ) -> list[TrainingOutcome]:
        """Train one network, of which a save holds the small one; raises a ``ValueError`` for several."""
        whole = only(works)
        small = _small(whole, batches)
        if small is None:
            return [fitted(whole, batches, checkpoint)]

        def put_back() -> None:
            place_(whole.network, tensors_of(small.network), small.architecture)

        def score() -> float:
            put_back()
            return whole.score()

        done = fitted(replace(whole, network=small.network, edit=small.masks, score=score), batches, checkpoint)
        put_back()
        edit = on_device(whole.edit, batches.device)
        return [done if isinstance(done, Diverged) else replace(done, edit=edit)]


def _small(work: TrainWork, batches: SharedBatches) -> SmallNetwork | None:
    """The network at the size that its masks leave it; None where that is its own, or where it has none."""
    if not isinstance(work.edit, MaskSet):
        return None
    work.network.to(batches.device)
    inputs, _ = next(batches.data.batches(2, batches.device, order=torch.arange(2)))
    try:
        small = narrowed(work.network, work.edit, inputs if batches.adapt is None else batches.adapt(inputs))
    except UserError:
        return None
    return small if small.architecture.kept else None
