"""The dense network that a curve starts from."""

from __future__ import annotations

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.stages.graph import Stage
from pruneexp.stages.setting import Setting
from pruneexp.stages.work import Training, artefact, train
from pruneexp.training.seeding import derive

VERSION = 2


def train_dense(setting: Setting) -> Stage:
    """Train every weight, under the penalty of the training phase (Han et al. 2015, section 3, first step)."""
    learner, regime = setting.learner, setting.dense

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        network = learner.network("initial")
        training = Training("dense", regime, derive(setting.seed, "train"), setting.observer)
        return artefact(learner, network, [train(learner, network, training, None, checkpoint)])

    config = {**learner.identity("initial"), **regime.identity, "seed": setting.seed}
    flop = regime.epochs * learner.epoch_flop
    return Stage("dense", VERSION, config, learner.fingerprint, make, (), regime.epochs, flop)
