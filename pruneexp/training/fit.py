"""Training of one network: from a recipe, a source of batches and a seed to changed weights, in place.

Knows no Hydra, MLflow, paths or modes. Every draw comes from (seed, purpose, epoch), never from what happened before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from pruneexp.pruning.edits.edit import Edit
from pruneexp.pruning.enforcement import Enforcement, assert_enforced, enforced, on_device
from pruneexp.tasks.classification import CLASSIFICATION
from pruneexp.tasks.task import Task
from pruneexp.training import layout, seeding
from pruneexp.training.events import EventKind, Listener, StepEvents, TrainingEvent, unheard
from pruneexp.training.frozen import training_except
from pruneexp.training.recipe import Recipe, learning_rate
from pruneexp.training.regularizers import CombinedPenalty, NoPenalty, Penalty
from pruneexp.training.snapshot import Checkpointer, Generators, Position, Snapshot, resume_generators
from pruneexp.training.step import Step, Update


class TrainingData(Protocol):
    """Examples, as ``pruneexp.data.dataset.Source`` describes them; draws nothing from torch's global state."""

    def __len__(self) -> int: ...

    def batches(
        self,
        batch_size: int,
        device: torch.device,
        *,
        order: Tensor | None = None,
        augment: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]: ...


def unscored() -> float:
    """What a network scores that is not to be measured."""
    return math.nan


class Diverged(Exception):  # a state of the training, not a mistake in the program
    """The loss or a weight is no longer a finite number; the message names the epoch and its learning rate."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A finished training: mean loss of each epoch (without penalty), optimizer steps, epochs, seconds.

    ``scores`` are what the network scored after each epoch, NaN where that was not measured, ``rates`` the learning
    rates of the epochs' last steps. The parts of the training before an interruption are included. ``edit`` is what
    became of that of the beginning.
    """

    losses: tuple[float, ...]
    scores: tuple[float, ...]
    rates: tuple[float, ...]
    steps: int
    epochs: int
    seconds: float
    edit: Edit


def fit(
    network: nn.Module,
    data: TrainingData,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device,
    task: Task = CLASSIFICATION,
    edit: Edit | None = None,
    penalty: Penalty | CombinedPenalty | None = None,
    frozen: Collection[str] = (),
    augment: bool = False,
    adapt: Callable[[Tensor], Tensor] | None = None,
    checkpoint: Checkpointer | None = None,
    listen: Listener = unheard,
    score: Callable[[], float] = unscored,
) -> Fitted:
    """Train ``network`` in place on ``device``, where it stays; its mode is as before, and no gradient is left.

    Weights are as the ``edit`` has them from before the first step on; those that a mask prunes are zero. Modules named
    in ``frozen`` keep their parameters, and batch normalisation among them its statistics too. An epoch visits all
    images in an order of its own, but for a last batch of a single image, which batch normalisation cannot take. With a
    ``checkpoint`` the training resumes from the last save, and on a CPU has the bits of an uninterrupted one.

    Order, augmentation and dropout of epoch ``e`` come from ``(seed, purpose, e)`` alone. The penalty acts on prunable
    weights, or on all parameters, that are not frozen. ``adapt`` turns inputs (B, ...) on the device into what the
    network takes. ``listen`` is told of the beginning, of steps, of epochs, of each save and of the end. ``score`` is
    asked after each epoch how good the network is, and changes nothing of it.

    Raises:
        Diverged: an epoch ended with a loss or a weight that is not finite; the network stays as it then was.
        UserError: the edit or frozen names do not fit the network, or nothing is left to train.
        RuntimeError: a pruned weight is not zero at the end of an epoch.
    """
    network.to(device)
    edit = on_device(edit, device)
    with _prepared(network, task, recipe, penalty or NoPenalty(), edit, frozen, adapt, device) as step:
        snapshot = Snapshot(network, step.update.optimizer, Position.start(device), step.update.enforcement)
        size = EpochSize.of(len(data), recipe)
        how = (seed, augment, device, checkpoint, listen, score)
        return _Training(network, data, recipe, step, snapshot, size, *how).run()


@contextmanager
def _prepared(
    network: nn.Module,
    task: Task,
    recipe: Recipe,
    penalty: Penalty | CombinedPenalty,
    edit: Edit,
    frozen: Collection[str],
    adapt: Callable[[Tensor], Tensor] | None,
    device: torch.device,
) -> Iterator[Step]:
    """Put the network into the state that it is trained in, yield its step, and undo the state afterwards."""
    with ExitStack() as stack:
        stack.enter_context(seeding.forked(device))
        stack.enter_context(training_except(network, frozen))
        arrange = stack.enter_context(layout.arranged(network))
        enforcement = stack.enter_context(enforced(network, edit))
        prepare = arrange if adapt is None else lambda images: arrange(adapt(images))
        yield Step(network, task, recipe, Update(network, recipe, penalty, enforcement), prepare, device)


@dataclass(frozen=True)
class EpochSize:
    """Images and steps of an epoch, and steps of the whole training, on data of ``length`` images.

    ``first`` counts the epochs of its course that the training leaves out.
    A last batch of a single image, which batch normalisation cannot take, is left out.
    """

    length: int
    batch: int
    images: int
    steps: int
    total: int
    first: int

    @classmethod
    def of(cls, length: int, recipe: Recipe) -> EpochSize:
        alone = length > 1 and length % recipe.batch_size == 1 and recipe.batch_size > 1
        images = length - alone
        steps = math.ceil(images / recipe.batch_size)
        return cls(length, recipe.batch_size, images, steps, steps * recipe.epochs, recipe.first)

    def order(self, seed: int, position: Position) -> Tensor:
        """The images that the present epoch still visits: all of them in an order of its own, less those of its steps.

        None are left where the last save followed the last step of an epoch.
        """
        order = torch.randperm(self.length, generator=seeding.generator(seed, "order", self.first + position.epoch))
        return order[position.step * self.batch : self.images]

    def rate(self, recipe: Recipe, position: Position) -> float:
        """The learning rate of the next step."""
        return self._rate(recipe, position.epoch * self.steps + position.step)

    def last_rate(self, recipe: Recipe, epoch: int) -> float:
        """The learning rate of the last step of an epoch, the first of which is 1."""
        return self._rate(recipe, epoch * self.steps - 1)

    def _rate(self, recipe: Recipe, step: int) -> float:
        return learning_rate(recipe, self.first * self.steps + step, recipe.whole * self.steps)

    def fitted(self, recipe: Recipe, position: Position, seconds: float, edit: Edit) -> Fitted:
        """What a training that ended at a position came to."""
        return Fitted(
            losses=tuple(position.losses),
            scores=tuple(position.scores),
            rates=tuple(self.last_rate(recipe, epoch + 1) for epoch in range(position.epoch)),
            steps=position.epoch * self.steps,
            epochs=position.epoch,
            seconds=seconds,
            edit=edit,
        )


def close_epoch(
    network: nn.Module,
    enforcement: Enforcement,
    recipe: Recipe,
    size: EpochSize,
    position: Position,
    opened: float,
    score: Callable[[], float],
) -> TrainingEvent:
    """Check loss, weights and masks, and move on to the next epoch: here alone the host waits for the device.

    ``opened`` is the monotonic time at which this process began with the epoch. ``score`` says how good the network is.

    Raises:
        Diverged: the loss or a weight is not finite.
        RuntimeError: a pruned weight is not zero.
    """
    done = position.epoch + 1
    lr = size.last_rate(recipe, done)
    loss = _finite(position.loss, network)
    if loss is None:
        raise Diverged(
            f"Training diverged in epoch {done} of {recipe.epochs} at learning rate {lr:g}: "
            "the loss or a weight is not a finite number; a lower learning rate or a gradient clip may help."
        )
    assert_enforced(network, enforcement.edit.masks)
    position.losses.append(loss / size.images)
    position.scores.append(score())
    position.loss.zero_()
    position.epoch, position.step = done, 0
    seconds, loss, val = time.monotonic() - opened, position.losses[-1], position.scores[-1]
    return TrainingEvent(kind="epoch", epoch=done, total=recipe.epochs, loss=loss, val=val, lr=lr, seconds=seconds)


@dataclass(frozen=True)
class _Training:
    """One training of a prepared network, from its first or its resumed step to the last of the recipe."""

    network: nn.Module
    data: TrainingData
    recipe: Recipe
    step: Step
    snapshot: Snapshot
    size: EpochSize
    seed: int
    augment: bool
    device: torch.device
    checkpoint: Checkpointer | None
    listen: Listener
    score: Callable[[], float]

    def run(self) -> Fitted:
        position, enforcement = self.snapshot.position, self.step.update.enforcement
        saved = self.checkpoint.load() if self.checkpoint is not None else None
        states = self.snapshot.restore(*saved) if saved is not None else None
        begin = time.monotonic() - position.seconds
        self._tell("begin")
        while position.epoch < self.recipe.epochs:
            opened = time.monotonic()
            generators = self._open()
            if states is not None:
                resume_generators(states, generators)
                states = None
            self._take_steps(generators, begin)
            of = (self.network, self.step.update.enforcement, self.recipe, self.size)
            self.listen(close_epoch(*of, position, opened, self.score))
        self.step.update.enforcement.before_step(1.0)
        self._tell("done")
        return self.size.fitted(self.recipe, position, time.monotonic() - begin, enforcement.edit)

    def _tell(self, kind: EventKind, share: float = 0.0) -> None:
        epoch = self.snapshot.position.epoch
        self.listen(TrainingEvent(kind=kind, epoch=epoch, total=self.recipe.epochs, share=share))

    def _open(self) -> Generators:
        """Put the global generators, which only dropout draws from, and the augmentation at the start of an epoch."""
        device, epoch = self.device, self.size.first + self.snapshot.position.epoch
        seeding.seed_global(device, self.seed, "dropout", epoch)
        generators = {str(i): each for i, each in enumerate(seeding.global_generators(device))}
        if self.augment:
            generators["augment"] = seeding.generator(self.seed, "augment", epoch, device=device)
        return generators

    def _take_steps(self, generators: Generators, begin: float) -> None:
        """Take the remaining steps of the present epoch, and save the position after each step at which that is due."""
        position, size, checkpoint = self.snapshot.position, self.size, self.checkpoint
        order = size.order(self.seed, position)
        if len(order) == 0:
            return
        steps = StepEvents(partial(self._tell, "step"), size.steps)
        augmentation = generators.get("augment")
        for images, labels in self.data.batches(size.batch, self.device, order=order, augment=augmentation):
            lr = size.rate(self.recipe, position)
            self.step.update.enforcement.before_step((position.epoch * size.steps + position.step) / size.total)
            position.loss.add_(self.step(images, labels, lr), alpha=len(labels))
            position.step += 1
            if checkpoint is not None and checkpoint.due():
                checkpoint.save(*self.snapshot.state(generators, time.monotonic() - begin))
            steps(position.step)


def _finite(loss: Tensor, network: nn.Module) -> float | None:
    """The loss; None where it or a parameter is infinite or NaN. A largest magnitude is finite if all numbers are."""
    with torch.no_grad():
        largest = [parameter.abs().max().double() for parameter in network.parameters() if parameter.numel()]
    total, *sizes = torch.stack([loss, *largest]).tolist()
    return float(total) if all(map(math.isfinite, (total, *sizes))) else None
