"""Retraining of the survivors, from the values they have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import nn

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.pruning.edits.edit import Edit
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Stage, StageKind
from pruneexp.stages.serial import SerialCheckpoint
from pruneexp.stages.setting import Setting
from pruneexp.stages.train import Parents, Train, train
from pruneexp.stages.work import Trained, artefact, changed_by, load, masks_of, recalibrate
from pruneexp.tasks.task import Task
from pruneexp.training.distillation import DistilledClassification
from pruneexp.training.seeding import derive

VERSION = 2

RETRAIN = StageKind("retrain", "to retrain", "retrain", inherits=True)


def retrain(setting: Setting, mask: Stage) -> Stage:
    """Retrain what ``mask`` left of the network it was cut from (Han et al. 2015, section 3, last step).

    Local retraining (section 3.3) prunes and retrains the linear layers, and all others, while convolutions are frozen,
    then prunes and retrains the convolutions while the others are frozen; each half takes the whole number of epochs.
    Weights that the cut has changed start as it left them.
    With a distillation the dense network, before any cut, is the teacher.
    """
    source, learner, regime = mask.parents[0], setting.learner, setting.retraining
    how = regime.distillation

    def begin(parents: Parents) -> tuple[nn.Module, Edit]:
        tensors = {**parents[1].tensors, **changed_by(parents[0])}
        network = load(learner.network("fresh"), tensors, f"the stored {source.kind} network")
        return network, setting.cut.value.edited(network, masks_of(parents[0]).to(learner.device))

    def finish(network: nn.Module) -> None:
        if setting.recalibrate_batchnorm and not regime.epochs:  # the same network as before retraining
            recalibrate(learner, network, setting.seed)

    def distilled(parents: Parents) -> Task:
        assert how is not None
        teacher = load(learner.network("fresh"), parents[2].tensors, "the stored dense network")
        return DistilledClassification(teacher, how)

    work = Train(
        stage=RETRAIN.name,
        learner=learner,
        regime=regime,
        seed=derive(setting.seed, "retrain"),
        listen=setting.tell,
        begin=begin,
        finish=finish,
        learn=None if how is None else distilled,
    )
    make = partial(_in_halves, work) if regime.local else work
    config = {**learner.identity("fresh"), **regime.identity, "seed": setting.seed}
    parents = (mask, source) if how is None else (mask, source, train_dense(setting))
    flop = regime.epochs * (learner.epoch_flop + regime.teaching_flop(learner.epoch_flop / 3.0))
    return Stage(RETRAIN, VERSION, config, learner.fingerprint, make, parents, regime.epochs, flop)


def _in_halves(work: Train, parents: Parents, checkpoint: Checkpoint) -> Artefact:
    """Local retraining: two trainings of one network, one after the other."""
    network, edit = work.begin(parents)
    trainings = SerialCheckpoint(checkpoint)
    done = [Trained(**earlier) for earlier in trainings.finished]
    for half in _halves(network, edit.masks if edit is not None else MaskSet({}))[len(done) :]:
        half_of = work.training(checkpoint.key, parents, network, half.masks, half.frozen)
        done.append(train(work.learner, half_of, trainings))
        trainings.finish({name: value for name, value in vars(done[-1]).items() if name != "edit"})
    if work.finish is not None:
        work.finish(network)
    return artefact(work.learner, network, done)


@dataclass(frozen=True)
class _Half:
    masks: MaskSet
    frozen: tuple[str, ...]


def _halves(network: nn.Module, masks: MaskSet) -> list[_Half]:
    """What is trained in turn."""
    layers = prunable(network)
    conv = tuple(name for name, layer in layers.items() if layer.kind == "conv")
    others = tuple(name for name in layers if name not in conv)
    return [_Half(masks.restrict([name for name in others if name in masks]), conv), _Half(masks, others)]
