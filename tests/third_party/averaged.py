"""A kind of stage and a mode of a third party: the mean of the weights of two retrained networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.schema import Budget
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Route, Stage, StageKind
from pruneexp.stages.mask import prune
from pruneexp.stages.retrain import retrain
from pruneexp.stages.setting import Setting
from pruneexp.stages.work import artefact, load

AVERAGE = StageKind("average", "to average", "retrain", inherits=True)


def average(setting: Setting, one: Stage, other: Stage) -> Stage:
    learner = setting.learner

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        first, second = (parent.tensors for parent in parents)
        mean = {name: (first[name] + second[name]) / 2 for name in first}
        return artefact(learner, load(learner.network("fresh"), mean, "the mean"), [])

    return Stage(AVERAGE, 1, {}, learner.fingerprint, make, (one, other))


@dataclass(frozen=True)
class Averaged:
    """The mean of two networks, retrained for one epoch and for two."""

    def route(self, setting: Setting, path: Sequence[Budget]) -> Route:
        dense = train_dense(setting)
        mask = prune(setting, dense, path[-1], None)
        one, two = (retrain(replace(setting, retraining=setting.retraining.lasting(epochs)), mask) for epochs in (1, 2))
        return Route((dense, mask, one, two, average(setting, one, two)))
