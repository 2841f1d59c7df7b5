"""Training of several networks on the same batches, side by side, each as ``fit`` trains it but for the last bits.

The points of a curve are retrained from the same seed on the same images in the same order. A stack selects, augments
and adapts each batch once for all of them, and works out the gradients of chains of layers by faster kernels than
autograd (``products``). The points are shared out to threads, and each kernel runs on the one thread of its point: two
threads that work at the same small product wait for each other most of the time. So no bit of a point depends on its
neighbours, their number, its place among them or the number of threads. Batched products would bring nothing: on a CPU
they take as long as one product after the other. Knows no Hydra, MLflow, paths or modes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import torch
from torch import Tensor

from pruneexp.pruning.enforcement import Enforcement, on_device, under
from pruneexp.training import seeding
from pruneexp.training.chain import chain_of
from pruneexp.training.chain_gradients import ChainGradients
from pruneexp.training.events import EventKind, StepEvents, TrainingEvent
from pruneexp.training.fit import Diverged, EpochSize, close_epoch
from pruneexp.training.frozen import training_except
from pruneexp.training.recipe import Recipe
from pruneexp.training.regularizers import NoPenalty
from pruneexp.training.snapshot import Checkpointer, Generators, Position, Snapshot, resume_generators
from pruneexp.training.step import Update
from pruneexp.training.trainer import SharedBatches, TrainingOutcome, TrainWork

#: Batches that one point takes before its neighbour takes the same ones. A point's weights, gradients and moments, 4 MB
#: of LeNet-300-100, then stay in the processor's cache: with blocks of 1, a step took 1.15 times as long.
_BLOCK = 16


def stack_of(recipe: Recipe) -> tuple[int, int, int]:
    """What the recipes of one stack agree in: epochs, batch size, first epoch. All else may differ."""
    return recipe.epochs, recipe.batch_size, recipe.first


def fit_stacked(
    works: Sequence[TrainWork],
    batches: SharedBatches,
    checkpoint: Checkpointer | None = None,
    threads: int | None = None,
) -> list[TrainingOutcome]:
    """Train the network of each work in place, as ``fit`` would; the outcomes are in the order of ``works``.

    ``threads`` train at a time; None: as many as torch may use.

    On a CPU a network has the same bits afterwards in every stack, alone or not, with any number of threads, and
    whether the stack was interrupted and resumed from ``checkpoint`` or not; the stack asks it after every 16 steps. A
    training that diverges ends at that epoch, and the others go on; its network stays as it then was.
    ``Fitted.seconds`` is a network's equal share of the stack's time, ``seconds`` of an epoch the whole stack's. The
    thread that calls this function calls the listeners; an exception that one raises ends the stack.

    Raises:
        ValueError: there is no work, a network is not ``stackable``, recipes differ in ``stack_of``, one asks for
            another precision than float32, or modules are to be frozen.
        UserError: masks do not fit their network.
        RuntimeError: a pruned weight is not zero at the end of an epoch.
    """
    _check_recipes([work.recipe for work in works])
    if any(work.frozen for work in works):
        raise ValueError("a stack freezes no modules")
    with ExitStack() as stack:
        points = [stack.enter_context(_prepared(work, batches.device)) for work in works]
        size = EpochSize.of(len(batches.data), works[0].recipe)
        workers = stack.enter_context(_single_threads(threads or torch.get_num_threads()))
        return _Stack(points, batches, size, checkpoint, workers).run()


@contextmanager
def _single_threads(number: int) -> Iterator[Executor]:
    """So many threads, in each of which torch's kernels use one; this thread stays as it is."""
    count = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(number, initializer=torch.set_num_threads, initargs=(1,)) as workers:
            yield workers
    finally:
        torch.set_num_threads(count)  # for threads that begin later


def _check_recipes(recipes: Sequence[Recipe]) -> None:
    if not recipes:
        raise ValueError("a stack of 0 trainings; allowed is 1 or more")
    if len(agreed := {stack_of(recipe) for recipe in recipes}) > 1:
        raise ValueError(f"the recipes have (epochs, batch_size, first) {sorted(agreed)}; a stack allows one of them")
    if any(recipe.precision != "float32" for recipe in recipes):
        raise ValueError("a recipe has another precision than float32, which alone is allowed in a stack")


@dataclass
class _Point:
    """One training within a stack; ``ended`` once it diverged. ``draws`` is the dropout's generator of an epoch."""

    work: TrainWork
    gradients: ChainGradients
    update: Update
    snapshot: Snapshot
    draws: torch.Generator
    ended: Diverged | None = None

    @property
    def position(self) -> Position:
        return self.snapshot.position

    @property
    def going(self) -> bool:
        """Whether there are epochs left to train."""
        return self.ended is None and self.position.epoch < self.work.recipe.epochs

    def take(self, block: list[tuple[Tensor, Tensor]], size: EpochSize) -> None:
        """One step for each batch."""
        for images, labels in block:
            done = self.position.epoch * size.steps + self.position.step
            self.update.enforcement.before_step(done / size.total)
            loss = self.gradients(images, labels, self.draws)
            self.update(size.rate(self.work.recipe, self.position))
            self.position.loss.add_(loss, alpha=len(labels))
            self.position.step += 1

    def close(self, size: EpochSize, opened: float) -> None:
        work = self.work
        try:
            of = (work.network, self.update.enforcement, work.recipe, size)
            epoch = close_epoch(*of, self.position, opened, work.score)
        except Diverged as diverged:
            self.ended = diverged
            return
        work.listen(epoch)

    def tell(self, kind: EventKind, share: float = 0.0) -> None:
        event = TrainingEvent(kind=kind, epoch=self.position.epoch, total=self.work.recipe.epochs, share=share)
        self.work.listen(event)

    def outcome(self, size: EpochSize) -> TrainingOutcome:
        if self.ended is not None:
            return self.ended
        self.update.enforcement.before_step(1.0)
        return size.fitted(self.work.recipe, self.position, self.position.seconds, self.update.enforcement.edit)


@contextmanager
def _prepared(work: TrainWork, device: torch.device) -> Iterator[_Point]:
    """Put a network into the state that it is trained in, yield its point, and undo the state afterwards."""
    network = work.network.to(device)
    chain = chain_of(network)
    with training_except(network, ()):
        enforcement = Enforcement(network, on_device(work.edit, device))
        enforcement.apply_()
        update = Update(network, work.recipe, work.penalty or NoPenalty(), enforcement)
        gradients = ChainGradients(network, chain, work.recipe.label_smoothing)
        snapshot = Snapshot(network, update.optimizer, Position.start(device), enforcement)
        yield _Point(work, gradients, update, snapshot, torch.Generator(device))


@dataclass
class _Stack:
    """The trainings of prepared networks, from the first or the resumed step to the last of the recipe."""

    points: list[_Point]
    batches: SharedBatches
    size: EpochSize
    checkpoint: Checkpointer | None
    workers: Executor
    _charged: float = field(default_factory=time.monotonic)

    def run(self) -> list[TrainingOutcome]:
        states = self._load()
        self._tell(self.points, "begin")
        while going := [point for point in self.points if point.going]:
            opened = time.monotonic()
            augmentation = self._open(going)
            if states is not None:
                for point, saved in zip(self.points, states, strict=True):
                    resume_generators(saved, self._generators(point, augmentation))
                states = None
            self._take_steps(going, augmentation)
            for point in going:
                point.close(self.size, opened)
            self._charge(going)
        self._tell([point for point in self.points if point.ended is None], "done")
        return [point.outcome(self.size) for point in self.points]

    def _open(self, going: list[_Point]) -> torch.Generator | None:
        """Put the generators of dropout and augmentation at the start of an epoch."""
        epoch, seed, device = self.size.first + going[0].position.epoch, self.batches.seed, self.batches.device
        for point in going:
            point.draws = seeding.generator(seed, "dropout", epoch, device=device)
        return seeding.generator(seed, "augment", epoch, device=device) if self.batches.augment else None

    def _take_steps(self, going: list[_Point], augmentation: torch.Generator | None) -> None:
        """Take the remaining steps of the present epoch, and save after each block at which that is due."""
        position, size, checkpoint = going[0].position, self.size, self.checkpoint
        order, shared = size.order(self.batches.seed, position), self.batches
        if len(order) == 0:
            return
        steps = StepEvents(partial(self._tell, going, "step"), size.steps)
        batches = shared.data.batches(size.batch, shared.device, order=order, augment=augmentation)
        while block := self.workers.submit(self._select, batches).result():
            list(self.workers.map(lambda point: point.take(block, size), going))
            if checkpoint is not None and checkpoint.due():
                self._charge(going)
                self._save(checkpoint, augmentation)
            steps(position.step)

    def _tell(self, points: list[_Point], kind: EventKind, share: float = 0.0) -> None:
        for point in points:
            point.tell(kind, share)

    def _select(self, batches: Iterator[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        adapt = self.batches.adapt
        block = islice(batches, _BLOCK)
        return list(block) if adapt is None else [(adapt(images), labels) for images, labels in block]

    def _charge(self, going: list[_Point]) -> None:
        """Add the time since the last call to the trainings that went on, in equal shares."""
        now = time.monotonic()
        for point in going:
            point.position.seconds += (now - self._charged) / len(going)
        self._charged = now

    def _generators(self, point: _Point, augmentation: torch.Generator | None) -> Generators:
        return {"dropout": point.draws, **({"augment": augmentation} if augmentation is not None else {})}

    def _save(self, checkpoint: Checkpointer, augmentation: torch.Generator | None) -> None:
        tensors: dict[str, Tensor] = {}
        states = []
        for index, point in enumerate(self.points):
            own, state = point.snapshot.state(self._generators(point, augmentation), point.position.seconds)
            tensors |= {f"{index}/{name}": tensor for name, tensor in own.items()}
            states.append({**state, "ended": None if point.ended is None else str(point.ended)})
        checkpoint.save(tensors, {"points": states})

    def _load(self) -> list[dict[str, Tensor]] | None:
        """Restore the last save, if there is one, and return the states of the generators of each point."""
        found = self.checkpoint.load() if self.checkpoint is not None else None
        if found is None:
            return None
        tensors, state = found
        generators = []
        for index, (point, own) in enumerate(zip(self.points, state["points"], strict=True)):
            generators.append(dict(point.snapshot.restore(under(tensors, f"{index}/"), own)))
            point.ended = None if own["ended"] is None else Diverged(own["ended"])
        return generators
