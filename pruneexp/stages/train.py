"""Training within stages: one network, or several side by side, and the work of a stage that is one training.

The trainer is the regime's; how it trains is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.pruning.edits.edit import Edit
from pruneexp.pruning.masks import MaskSet
from pruneexp.stages.setting import Learner, Regime
from pruneexp.stages.work import Trained, artefact, masked_flop, val_value
from pruneexp.tasks.task import Task
from pruneexp.training import dropout
from pruneexp.training.events import Listener, TrainingEvent
from pruneexp.training.fit import Diverged, Fitted, unscored
from pruneexp.training.snapshot import Checkpointer
from pruneexp.training.trainer import SharedBatches, TrainWork

Parents = tuple[Artefact, ...]


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training within a stage; ``stage`` names it to people.

    ``key`` is that of the stage where the course of the training is recorded. ``task`` is what is learned, where that
    is not the learner's own.
    """

    stage: str
    network: nn.Module
    regime: Regime
    seed: int
    listen: Listener
    edit: Edit | None = None
    frozen: Collection[str] = ()
    key: str = ""
    task: Task | None = None


@dataclass(frozen=True, kw_only=True)
class Train:
    """The work of a stage that trains one network, as data that shows which stages can be trained together.

    ``begin`` makes the network and its edit of the stage's parents; ``finish`` is given the trained network. Called,
    it does the work of its stage alone. ``learn`` makes what is learned, where that is not the learner's task.
    """

    stage: str
    learner: Learner
    regime: Regime
    seed: int
    listen: Listener
    begin: Callable[[Parents], tuple[nn.Module, Edit | None]]
    finish: Callable[[nn.Module], None] | None = None
    learn: Callable[[Parents], Task] | None = None

    def __call__(self, parents: Parents, checkpoint: Checkpoint) -> Artefact:
        (made,) = trained([self], [parents], checkpoint, [checkpoint.key])
        if isinstance(made, Diverged):
            raise made
        return made

    def training(
        self,
        key: str,
        parents: Parents,
        network: nn.Module,
        edit: Edit | None,
        frozen: Collection[str] = (),
    ) -> Training:
        """The training of a network that ``begin`` gave, in the stage of this key."""
        return Training(
            stage=self.stage,
            network=network,
            regime=self.regime,
            seed=self.seed,
            listen=self.listen,
            edit=edit,
            frozen=frozen,
            key=key,
            task=None if self.learn is None else self.learn(parents),
        )

    @property
    def group(self) -> Hashable:
        """What is equal of trainings that can be trained together; None where the trainer takes one at a time."""
        trainer = self.regime.trainer.value
        recipe = replace(self.regime.recipe.value, lr=1.0)
        together = trainer.joins and self.learn is None
        return (id(self.learner), self.seed, id(trainer), recipe, self.regime.augment) if together else None


def trained(
    works: Sequence[Train], parents: Sequence[Parents], checkpoint: Checkpointer, keys: Sequence[str]
) -> Iterator[Artefact | Diverged]:
    """The results of works of one ``group``, each scored when it is asked for; ``Diverged`` where there is none.

    ``keys`` are those of their stages.
    """
    learner = works[0].learner
    asked = zip(works, keys, parents, strict=True)
    trainings = [work.training(key, given, *work.begin(given)) for work, key, given in asked]
    outcomes = train_several(learner, trainings, checkpoint)
    for work, training, done in zip(works, trainings, outcomes, strict=True):
        if isinstance(done, Diverged):
            yield done
            continue
        if work.finish is not None:
            work.finish(training.network)
        yield artefact(learner, training.network, [done])


def train(learner: Learner, training: Training, checkpoint: Checkpointer) -> Trained:
    """Train one network in place.

    Raises:
        Diverged: a loss or a weight is no finite number.
    """
    (done,) = train_several(learner, [training], checkpoint)
    if isinstance(done, Diverged):
        raise done
    return done


def train_several(
    learner: Learner, trainings: Sequence[Training], checkpoint: Checkpointer
) -> list[Trained | Diverged]:
    """Train several networks in place; they share seed, augmentation, task and trainer."""
    regime, seed = trainings[0].regime, trainings[0].seed
    batches = SharedBatches(
        task=trainings[0].task or learner.task.value,
        data=learner.data.value.train,
        seed=seed,
        device=learner.device,
        augment=regime.augment,
        adapt=learner.adapt,
    )
    with ExitStack() as stack:
        for each in trainings:
            drops, densities = each.regime.dropout, each.edit.masks.densities() if each.edit is not None else {}
            stack.enter_context(
                dropout.applied(each.network, drops.policy.value, each.regime.phase, densities, drops.calls)
            )
        works = [_work(learner, training) for training in trainings]
        outcomes = regime.trainer.value.train(works, batches, checkpoint)
    return [_trained(learner, *pair) for pair in zip(trainings, outcomes, strict=True)]


def _work(learner: Learner, training: Training) -> TrainWork:
    def listen(event: TrainingEvent) -> None:
        training.listen(replace(event, stage=training.stage, key=training.key))

    scored = learner.scores_epochs and training.key  # a training that nobody follows has none
    return TrainWork(
        network=training.network,
        recipe=training.regime.recipe.value,
        edit=training.edit,
        penalty=training.regime.penalty.value,
        frozen=training.frozen,
        listen=listen,
        score=partial(val_value, learner, training.network) if scored else unscored,
    )


def _trained(learner: Learner, training: Training, done: Fitted | Diverged) -> Trained | Diverged:
    if isinstance(done, Diverged):
        return done
    images = len(learner.data.value.train) * done.epochs
    changed = None if isinstance(done.edit, MaskSet) else done.edit
    taught = training.regime.teaching_flop(learner.costs.flop_total)
    flop = (3.0 * masked_flop(learner, done.edit.masks) + taught) * images
    return Trained(done.losses, flop, done.seconds, changed, done.scores, done.rates)
