"""Training of one network: from a recipe, a source of batches and a seed to changed weights, in place.

Knows no Hydra, MLflow, paths or modes. Every draw comes from (seed, purpose, epoch), never from what happened before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from pruneexp.pruning.masks import MaskSet, assert_enforced, enforced
from pruneexp.tasks.classification import CLASSIFICATION
from pruneexp.tasks.task import Task
from pruneexp.training import layout, seeding
from pruneexp.training.frozen import training_except
from pruneexp.training.recipe import Recipe, learning_rate
from pruneexp.training.regularizers import NoPenalty, Penalty
from pruneexp.training.snapshot import Checkpointer, Position, Snapshot
from pruneexp.training.step import Step

_TICK = 0.2  # seconds between two reports within an epoch


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


class Diverged(Exception):  # a state of the training, not a mistake in the program
    """The loss or a weight is no longer a finite number; the message names the epoch and its learning rate."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One finished epoch: ``index`` from 1, the mean training loss without penalty, the learning rate of its last step.

    ``seconds`` is the time that this process spent on the epoch; an interrupted process does not count.
    """

    index: int
    total: int
    loss: float
    lr: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A finished training: mean loss of each epoch (without penalty), optimizer steps, epochs, seconds.

    The parts of the training before an interruption are included.
    """

    losses: tuple[float, ...]
    steps: int
    epochs: int
    seconds: float


def fit(
    network: nn.Module,
    data: TrainingData,
    recipe: Recipe,
    *,
    seed: int,
    device: torch.device,
    task: Task = CLASSIFICATION,
    masks: MaskSet | None = None,
    penalty: Penalty | None = None,
    frozen: Collection[str] = (),
    augment: bool = False,
    adapt: Callable[[Tensor], Tensor] | None = None,
    checkpoint: Checkpointer | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_fraction: Callable[[float], None] | None = None,
) -> Fitted:
    """Train ``network`` in place on ``device``, where it stays; its mode is as before, and no gradient is left.

    Pruned weights are zero from before the first step on. Modules named in ``frozen`` keep their parameters, and batch
    normalisation among them its statistics too. An epoch visits all examples in an order of its own, but for a last
    batch of a single one, which batch normalisation cannot take. With a ``checkpoint`` the training resumes from the
    last save, and on a CPU ends with the same bits as an uninterrupted one.

    Order, augmentation and dropout of epoch ``e`` come from ``(seed, purpose, e)`` alone. The penalty acts on prunable
    weights that are not frozen. ``adapt`` turns inputs (B, ...) on the device into what the network takes.
    ``on_fraction`` gets the finished share of the present epoch, in [0, 1], at most five times a second.

    Raises:
        Diverged: an epoch ended with a loss or a weight that is not finite; the network stays as it then was.
        UserError: masks or frozen names do not fit the network, or nothing is left to train.
        RuntimeError: a pruned weight is not zero at the end of an epoch.
    """
    network.to(device)
    masks = (masks or MaskSet({})).to(device)
    with _prepared(network, task, recipe, penalty or NoPenalty(), masks, frozen, adapt, device) as step:
        snapshot = Snapshot(network, step.optimizer, Position.start(device), device)
        size = _EpochSize.of(len(data), recipe)
        training = _Training(network, data, recipe, masks, step, snapshot, size, seed, augment, checkpoint, on_fraction)
        return training.run(on_epoch)


@contextmanager
def _prepared(
    network: nn.Module,
    task: Task,
    recipe: Recipe,
    penalty: Penalty,
    masks: MaskSet,
    frozen: Collection[str],
    adapt: Callable[[Tensor], Tensor] | None,
    device: torch.device,
) -> Iterator[Step]:
    """Put the network into the state that it is trained in, yield its step, and undo the state afterwards."""
    with ExitStack() as stack:
        stack.enter_context(seeding.forked(device))
        stack.enter_context(training_except(network, frozen))
        arrange = stack.enter_context(layout.arranged(network))
        enforcement = stack.enter_context(enforced(network, masks))
        prepare = arrange if adapt is None else lambda inputs: arrange(adapt(inputs))
        yield Step(network, task, recipe, penalty, enforcement, prepare, device)


@dataclass(frozen=True)
class _EpochSize:
    """Examples and steps of an epoch, and steps of the whole training."""

    examples: int
    steps: int
    total: int

    @classmethod
    def of(cls, length: int, recipe: Recipe) -> _EpochSize:
        alone = length > 1 and length % recipe.batch_size == 1 and recipe.batch_size > 1
        examples = length - alone
        steps = math.ceil(examples / recipe.batch_size)
        return cls(examples, steps, steps * recipe.epochs)


@dataclass(frozen=True)
class _Training:
    """One training of a prepared network, from its first or its resumed step to the last of the recipe."""

    network: nn.Module
    data: TrainingData
    recipe: Recipe
    masks: MaskSet
    step: Step
    snapshot: Snapshot
    size: _EpochSize
    seed: int
    augment: bool
    checkpoint: Checkpointer | None
    on_fraction: Callable[[float], None] | None

    def run(self, on_epoch: Callable[[Epoch], None] | None) -> Fitted:
        position = self.snapshot.position
        generators = self.snapshot.load(self.checkpoint) if self.checkpoint is not None else None
        begin = time.monotonic() - position.seconds
        while position.epoch < self.recipe.epochs:
            opened = time.monotonic()
            augmentation = self._open()
            if generators is not None:
                self.snapshot.resume_generators(generators, augmentation)
                generators = None
            self._take_steps(augmentation, begin)
            epoch = self._close(opened)
            if on_epoch is not None:
                on_epoch(epoch)
        steps, seconds = position.epoch * self.size.steps, time.monotonic() - begin
        return Fitted(losses=tuple(position.losses), steps=steps, epochs=position.epoch, seconds=seconds)

    def _open(self) -> torch.Generator | None:
        """Put the global generators, which only dropout draws from, and the augmentation at the start of an epoch."""
        device, epoch = self.snapshot.device, self.snapshot.position.epoch
        seeding.seed_global(device, self.seed, "dropout", epoch)
        return seeding.generator(self.seed, "augment", epoch, device=device) if self.augment else None

    def _take_steps(self, augmentation: torch.Generator | None, begin: float) -> None:
        """Take the remaining steps of the present epoch, and save the position after each step at which that is due."""
        recipe, position, size, checkpoint = self.recipe, self.snapshot.position, self.size, self.checkpoint
        order = torch.randperm(len(self.data), generator=seeding.generator(self.seed, "order", position.epoch))
        order = order[position.step * recipe.batch_size : size.examples]
        if len(order) == 0:  # the last save may have followed the last step of an epoch
            return
        report = _Reporter(self.on_fraction, size.steps)
        batches = self.data.batches(recipe.batch_size, self.snapshot.device, order=order, augment=augmentation)
        for inputs, targets in batches:
            lr = learning_rate(recipe, position.epoch * size.steps + position.step, size.total)
            position.loss.add_(self.step(inputs, targets, lr), alpha=len(targets))
            position.step += 1
            if checkpoint is not None and checkpoint.due():
                self.snapshot.save(checkpoint, augmentation, time.monotonic() - begin)
            report(position.step)

    def _close(self, opened: float) -> Epoch:
        """Check loss, weights and masks, and move on to the next epoch: here alone the host waits for the device."""
        position, recipe = self.snapshot.position, self.recipe
        done = position.epoch + 1
        lr = learning_rate(recipe, done * self.size.steps - 1, self.size.total)
        loss = _finite(position.loss, self.network)
        if loss is None:
            raise Diverged(
                f"Training diverged in epoch {done} of {recipe.epochs} at learning rate {lr:g}: "
                "the loss or a weight is not a finite number; a lower learning rate or a gradient clip may help."
            )
        assert_enforced(self.network, self.masks)
        position.losses.append(loss / self.size.examples)
        position.loss.zero_()
        position.epoch, position.step = done, 0
        seconds = time.monotonic() - opened
        return Epoch(index=done, total=recipe.epochs, loss=position.losses[-1], lr=lr, seconds=seconds)


class _Reporter:
    """Reports the finished share of an epoch without waiting for the device, so on a GPU a little ahead of it."""

    def __init__(self, report: Callable[[float], None] | None, steps: int) -> None:
        self._report, self._steps, self._last = report, steps, time.monotonic()

    def __call__(self, step: int) -> None:
        if self._report is None or time.monotonic() - self._last < _TICK:
            return
        self._last = time.monotonic()
        self._report(step / self._steps)


def _finite(loss: Tensor, network: nn.Module) -> float | None:
    """The loss; None where it or a parameter is infinite or NaN. A largest magnitude is finite if all numbers are."""
    with torch.no_grad():
        largest = [parameter.abs().max().double() for parameter in network.parameters() if parameter.numel()]
    total, *sizes = torch.stack([loss, *largest]).tolist()
    return float(total) if all(map(math.isfinite, (total, *sizes))) else None
