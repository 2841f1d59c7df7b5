"""Retraining of the survivors, from the values they have."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import nn

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.stages.graph import Stage
from pruneexp.stages.serial import SerialCheckpoint
from pruneexp.stages.setting import Setting
from pruneexp.stages.work import Trained, Training, artefact, load, recalibrate, train
from pruneexp.training.seeding import derive

VERSION = 2


def retrain(setting: Setting, mask: Stage) -> Stage:
    """Retrain what ``mask`` left of the network it was cut from (Han et al. 2015, section 3, last step).

    Local retraining (section 3.3) prunes and retrains the linear layers, and all others, while convolutions are frozen,
    then prunes and retrains the convolutions while the others are frozen; each half takes the whole number of epochs.
    """
    source, learner, regime = mask.parents[0], setting.learner, setting.retraining

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        masks = MaskSet.from_tensors(parents[0].tensors).to(learner.device)
        network = load(learner.network("fresh"), parents[1].tensors, f"the stored {source.kind} network")
        trainings = SerialCheckpoint(checkpoint)
        done = [Trained(**earlier) for earlier in trainings.finished]
        for half in _halves(network, masks, local=regime.local)[len(done) :]:
            seed = derive(setting.seed, "retrain")
            training = Training("retrain", regime, seed, setting.observer, half.frozen)
            done.append(train(learner, network, training, half.masks, trainings))
            trainings.finish(asdict(done[-1]))
        if setting.recalibrate_batchnorm and not regime.epochs:  # the same network as before retraining
            recalibrate(learner, network, setting.seed)
        return artefact(learner, network, done)

    config = {**learner.identity("fresh"), **regime.identity, "seed": setting.seed}
    flop = regime.epochs * learner.epoch_flop
    return Stage("retrain", VERSION, config, learner.fingerprint, make, (mask, source), regime.epochs, flop)


@dataclass(frozen=True)
class _Half:
    masks: MaskSet
    frozen: tuple[str, ...]


def _halves(network: nn.Module, masks: MaskSet, *, local: bool) -> list[_Half]:
    """What is trained in turn: where retraining is not local, the whole network at once."""
    if not local:
        return [_Half(masks, ())]
    layers = prunable(network)
    conv = tuple(name for name, layer in layers.items() if layer.kind == "conv")
    others = tuple(name for name in layers if name not in conv)
    return [_Half(masks.restrict([name for name in others if name in masks]), conv), _Half(masks, others)]
