"""The dense network that a curve starts from, and what it was like early in its training."""

from __future__ import annotations

from pruneexp.stages.graph import Stage, StageKind
from pruneexp.stages.setting import Regime, Setting
from pruneexp.stages.train import Train
from pruneexp.training.seeding import derive

VERSION = 2

DENSE = StageKind("dense", "to train", "dense")
EARLY = StageKind("early", "to train", "dense")


def train_dense(setting: Setting) -> Stage:
    """Train every weight, under the penalty of the training phase (Han et al. 2015, section 3, first step)."""
    return _train(DENSE, setting, setting.dense)


def train_early(setting: Setting, epoch: int) -> Stage:
    """The dense network as it is after ``epoch`` epochs of its training, to the bit.

    These epochs are trained again, and booked, as the dense network may come from a store without them.

    Raises:
        UserError: dense training does not last longer.
    """
    return _train(EARLY, setting, setting.dense.until(epoch))


def _train(kind: StageKind, setting: Setting, regime: Regime) -> Stage:
    learner = setting.learner
    work = Train(
        stage=kind.name,
        learner=learner,
        regime=regime,
        seed=derive(setting.seed, "train"),
        listen=setting.tell,
        begin=lambda parents: (learner.network("initial"), None),
    )
    config = {**learner.identity("initial"), **regime.identity, "seed": setting.seed}
    flop = regime.epochs * learner.epoch_flop
    return Stage(kind, VERSION, config, learner.fingerprint, work, (), regime.epochs, flop)
