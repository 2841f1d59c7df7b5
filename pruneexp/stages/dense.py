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

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        network = setting.network("initial")
        training = Training("dense", setting.train, setting.train_penalty, "train", derive(setting.seed, "train"))
        return artefact(setting, network, [train(setting, network, training, None, checkpoint)])

    config = {
        "model": setting.configs["model"],
        "train": setting.configs["train"],
        "penalty": setting.configs["train_penalty"],
        "dropout": setting.configs["dense_dropout"],
        "seed": setting.seed,
    }
    epochs = setting.train.epochs
    return Stage("dense", VERSION, config, setting.data.fingerprint, make, (), epochs, epochs * setting.epoch_flop)
