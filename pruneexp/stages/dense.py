"""The dense network that a curve starts from."""

from __future__ import annotations

import time

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.stages.graph import Stage
from pruneexp.stages.setting import Setting
from pruneexp.stages.work import Training, train, trained
from pruneexp.training.seeding import derive

VERSION = 1


def train_dense(setting: Setting) -> Stage:
    """Train every weight, under the penalty of the training phase (Han et al. 2015, section 3, first step)."""

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        started = time.perf_counter()
        network = setting.network("initial")
        training = Training("dense", setting.train, setting.train_penalty, "train", derive(setting.seed, "train"))
        losses = train(setting, network, training, None, checkpoint)
        return trained(setting, network, losses, None, started)

    config = {
        "model": setting.configs["model"],
        "train": setting.configs["train"],
        "penalty": setting.configs["train_penalty"],
        "dropout": setting.configs["dense_dropout"],
        "seed": setting.seed,
    }
    epochs = setting.train.epochs
    return Stage("dense", VERSION, config, setting.data.fingerprint, make, (), epochs, epochs * setting.epoch_flop)
