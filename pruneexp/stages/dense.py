"""The dense network that a curve starts from."""

from __future__ import annotations

from pruneexp.stages.graph import Stage, StageKind
from pruneexp.stages.setting import Setting
from pruneexp.stages.train import Train
from pruneexp.training.seeding import derive

VERSION = 2

DENSE = StageKind("dense", "to train", "dense")


def train_dense(setting: Setting) -> Stage:
    """Train every weight, under the penalty of the training phase (Han et al. 2015, section 3, first step)."""
    learner, regime = setting.learner, setting.dense

    work = Train(
        stage=DENSE.name,
        learner=learner,
        regime=regime,
        seed=derive(setting.seed, "train"),
        listen=setting.tell,
        begin=lambda parents: (learner.network("initial"), None),
    )
    config = {**learner.identity("initial"), **regime.identity, "seed": setting.seed}
    flop = regime.epochs * learner.epoch_flop
    return Stage(DENSE, VERSION, config, learner.fingerprint, work, (), regime.epochs, flop)
