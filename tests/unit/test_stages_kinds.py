"""A kind of stage of a third party: its own file says all that plans and ledgers need."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from pruneexp.cache.store import Store
from pruneexp.experiment.identity import identity
from pruneexp.experiment.pace import Paces
from pruneexp.experiment.plan import make_plan
from pruneexp.experiment.points import assemble
from pruneexp.stages.graph import Runner
from pruneexp.stages.parts import Part
from tests.contracts.jobs import built
from tests.third_party.averaged import Averaged


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
