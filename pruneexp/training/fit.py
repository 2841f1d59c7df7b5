"""Training of one network: from a recipe, a source of batches and a seed to changed weights, in place.

Knows no Hydra, MLflow, paths or modes. Every draw comes from (seed, purpose, epoch), never from what happened before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from pruneexp.pruning.masks import MaskSet, assert_enforced, enforced
from pruneexp.training import layout, seeding
from pruneexp.training.frozen import training_except
from pruneexp.training.recipe import Recipe, learning_rate
from pruneexp.training.regularizers import NoPenalty, Penalty
from pruneexp.training.snapshot import Checkpointer, Position, Snapshot
from pruneexp.training.step import Step

_TICK = 0.2  # seconds between two reports within an epoch


class TrainingData(Protocol):
    """Labelled images, as ``pruneexp.data.dataset.Source`` describes them; draws nothing from torch's global state."""

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
    """The loss or a weight is no longer a finite number; a sentence with the epoch and its learning rate."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One finished epoch: ``index`` from 1, the mean training loss without penalty, the learning rate of its last step.

    ``seconds`` are those of this epoch; after an interruption, those since.
    """

    index: int
    total: int
    loss: float
    lr: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A finished training: mean loss of each epoch (without penalty), optimizer steps, epochs, seconds.

    What came before an interruption is included.
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
    normalisation among them its statistics too. An epoch visits all images in an order of its own, but for a last
    batch of a single image, which batch normalisation cannot take. With a ``checkpoint`` the training goes on where
    the last save left it, and on a CPU ends with the same bits.

    Order, augmentation and dropout of epoch ``e`` come from ``(seed, purpose, e)`` alone. The penalty acts on prunable
    weights that are not frozen. ``adapt`` brings images (B, C, H, W) on the device to what the network takes.
    ``on_fraction`` is told the share of the present epoch that is done, at most five times a second.

    Raises:
        Diverged: an epoch ended with a loss or a weight that is not finite; the network is left as it then was.
        UserError: masks or frozen names do not fit the network, or nothing is left to train.
        RuntimeError: a pruned weight came back.
    """
    network.to(device)
    masks = (masks or MaskSet({})).to(device)
    with ExitStack() as stack:
        stack.enter_context(seeding.forked(device))
        stack.enter_context(training_except(network, frozen))
        arrange = stack.enter_context(layout.arranged(network))
        enforcement = stack.enter_context(enforced(network, masks))
        step = Step(network, recipe, penalty or NoPenalty(), enforcement, _prepared(adapt, arrange), device)
        snapshot = Snapshot(network, step.optimizer, Position.start(device), device)
        position, pace = snapshot.position, _Pace.of(len(data), recipe)
        generators = snapshot.load(checkpoint) if checkpoint is not None else None
        begin = time.monotonic() - position.seconds
        while position.epoch < recipe.epochs:
            opened = time.monotonic()
            augmentation = _open(seed, position.epoch, device, augment)
            if generators is not None:
                snapshot.resume_generators(generators, augmentation)
                generators = None
            order = _order(seed, position.epoch, len(data))[position.step * recipe.batch_size : pace.images]
            report = _Reporter(on_fraction, pace.steps)
            batches = data.batches(recipe.batch_size, device, order=order, augment=augmentation)
            for images, labels in batches if len(order) else ():  # a save may have followed the last step of an epoch
                lr = learning_rate(recipe, position.epoch * pace.steps + position.step, pace.total)
                position.loss.add_(step(images, labels, lr), alpha=len(labels))
                position.step += 1
                if checkpoint is not None and checkpoint.due():
                    snapshot.save(checkpoint, augmentation, time.monotonic() - begin)
                report(position.step)
            epoch = _close(position, network, masks, recipe, pace, opened)
            if on_epoch is not None:
                on_epoch(epoch)
        steps, seconds = position.epoch * pace.steps, time.monotonic() - begin
        return Fitted(losses=tuple(position.losses), steps=steps, epochs=position.epoch, seconds=seconds)


@dataclass(frozen=True)
class _Pace:
    """Images and steps of an epoch, and steps of the whole training."""

    images: int
    steps: int
    total: int

    @classmethod
    def of(cls, length: int, recipe: Recipe) -> _Pace:
        alone = length > 1 and length % recipe.batch_size == 1 and recipe.batch_size > 1
        images = length - alone
        steps = math.ceil(images / recipe.batch_size)
        return cls(images, steps, steps * recipe.epochs)


class _Reporter:
    """Tells the share of an epoch that is done, without waiting for the device, so on a GPU a little ahead of it."""

    def __init__(self, tell: Callable[[float], None] | None, steps: int) -> None:
        self._tell, self._steps, self._last = tell, steps, time.monotonic()

    def __call__(self, step: int) -> None:
        if self._tell is None or time.monotonic() - self._last < _TICK:
            return
        self._last = time.monotonic()
        self._tell(step / self._steps)


def _prepared(
    adapt: Callable[[Tensor], Tensor] | None, arrange: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    return arrange if adapt is None else lambda images: arrange(adapt(images))


def _open(seed: int, epoch: int, device: torch.device, augment: bool) -> torch.Generator | None:
    """Put the global generators, which only dropout draws from, and the augmentation at the start of an epoch."""
    seeding.seed_global(device, seed, "dropout", epoch)
    return seeding.generator(seed, "augment", epoch, device=device) if augment else None


def _order(seed: int, epoch: int, length: int) -> Tensor:
    return torch.randperm(length, generator=seeding.generator(seed, "order", epoch))


def _close(position: Position, network: nn.Module, masks: MaskSet, recipe: Recipe, pace: _Pace, opened: float) -> Epoch:
    """The only waits for the device: read the loss, check loss, weights and masks, and move on to the next epoch."""
    done = position.epoch + 1
    lr = learning_rate(recipe, done * pace.steps - 1, pace.total)
    loss = _finite(position.loss, network)
    if loss is None:
        raise Diverged(
            f"Training diverged in epoch {done} of {recipe.epochs} at learning rate {lr:g}: "
            "the loss or a weight is not a finite number; a lower learning rate or a gradient clip may help."
        )
    assert_enforced(network, masks)
    position.losses.append(loss / pace.images)
    position.loss.zero_()
    position.epoch, position.step = done, 0
    seconds = time.monotonic() - opened
    return Epoch(index=done, total=recipe.epochs, loss=position.losses[-1], lr=lr, seconds=seconds)


def _finite(loss: Tensor, network: nn.Module) -> float | None:
    """The loss, unless it or a parameter is infinite or NaN: the largest size is finite only if every number is."""
    with torch.no_grad():
        largest = [parameter.abs().max().double() for parameter in network.parameters() if parameter.numel()]
    total, *sizes = torch.stack([loss, *largest]).tolist()
    return float(total) if all(map(math.isfinite, (total, *sizes))) else None
