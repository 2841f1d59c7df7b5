"""A kind of stage of a third party: its own file says all that plans and ledgers need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from pruneexp.cache.store import Artefact, Checkpoint, Store
from pruneexp.experiment.identity import identity
from pruneexp.experiment.pace import Paces
from pruneexp.experiment.plan import make_plan
from pruneexp.experiment.points import assemble
from pruneexp.schema import Budget
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Route, Runner, Stage, StageKind
from pruneexp.stages.mask import prune
from pruneexp.stages.parts import Part
from pruneexp.stages.retrain import retrain
from pruneexp.stages.setting import Setting
from pruneexp.stages.work import artefact, load
from tests.contracts.jobs import built

AVERAGE = StageKind("average", "to average", "retrain", inherits=True)


def average(setting: Setting, one: Stage, other: Stage) -> Stage:
    """The mean of the weights of two networks."""
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
        longer = replace(setting, retraining=setting.retraining.lasting(2))
        one, two = retrain(setting, mask), retrain(longer, mask)
        return Route((dense, mask, one, two, average(setting, one, two)))


def test_a_kind_of_a_third_party_is_planned_computed_and_booked(tmp_path: Path) -> None:
    job, store = built("curve.densities=[0.5]"), Store(tmp_path)
    job = replace(job, mode=Part(Averaged(), {"_target_": "mine.Averaged"}))
    lines = dict(make_plan(job, store, (), Paces(lambda _: 0.0)).lines())
    assert list(lines)[1:5] == ["dense", "mask", "retrain", "average"]
    assert lines["average"] == "1 to average, 0 in the store"
    assert lines["retrain"] == "2 to retrain (3 epochs), 0 in the store"

    (budget,), (route,) = job.budgets, job.routes
    runner = Runner(store)
    point = assemble(identity(job, budget, route), route, runner, job.setting.learner)
    assert (point.result.ledger.retrain.epochs, point.result.ledger.retrain.stages) == (3, 3)
    assert point.result.val.before is not None
    one, two, mean = (runner.artefact(step).tensors["fc1.weight"] for step in route.steps[2:])
    assert torch.equal(mean, (one + two) / 2)
    assert dict(make_plan(job, store, (), Paces(lambda _: 0.0)).lines())["average"] == "0 to average, 1 in the store"
