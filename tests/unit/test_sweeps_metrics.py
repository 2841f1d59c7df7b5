"""Searches over a metric whose smaller values are the better ones."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.trial import TrialState, create_trial

from hydra_plugins.pruneexp_optuna_sweeper._trials import primary_of
from hydra_plugins.pruneexp_optuna_sweeper.optuna_sweeper import directions
from pruneexp.errors import UserError
from pruneexp.schema import TOP1, TradeoffPoint
from pruneexp.training.events import TrainingEvent
from sweeps.bisection import Bracket, Measurement
from sweeps.costs import TrialCost
from sweeps.evaluation import EarlyStopping, TrialEvaluator
from sweeps.objectives import directions as directions_of
from sweeps.space import bounded, curves_of
from sweeps.studies import instantiated
from sweeps.studies.knee import Knee, _Meter
from sweeps.studies.layer_thresholds import LayerThresholds
from tests.contracts.points import PERPLEXITY, as_text, point
from tests.contracts.scans import as_text as scan_as_text
from tests.contracts.scans import scan
from tests.contracts.studies import shipped
from tests.contracts.workers import trials, worker


def test_curves_are_losses() -> None:
    found = curves_of(scan_as_text(scan({"fc1": {0.75: 2.0, 0.5: -6.0}})))
    assert [step.level for step in found["fc1"]] == [0.75, 0.5]
    assert [step.drop for step in found["fc1"]] == pytest.approx([-2.0, 6.0])
    assert bounded(found, "density", 5.0).hardest == {"fc1": 0.5}


def test_the_objectives_have_the_direction_of_the_metric() -> None:
    assert directions_of("pareto", PERPLEXITY, "density") == {"val perplexity": "minimize", "density": "minimize"}
    assert directions_of("pareto", TOP1, "density") == {"val accuracy": "maximize", "density": "minimize"}
    assert directions_of("smallest", PERPLEXITY, "density") == {"density": "minimize"}


class _Bench:
    """Cuts nothing: a trial at density ``a`` has the perplexity 7 / a, against 7 of the dense network."""

    session = SimpleNamespace(display=SimpleNamespace(points_done=lambda *_: None))
    cost = TrialCost()

    def probe(self, _: int, levels: Mapping[str, float]) -> TradeoffPoint:
        return as_text(point(density=levels["b"], after=104.0 - 7.0 / levels["b"]))


def test_a_study_minimises_what_is_to_be_small() -> None:
    storage = optuna.storages.InMemoryStorage()
    ours = worker(storage, objectives=directions_of("pareto", PERPLEXITY, "density"))
    study = instantiated(shipped("layer_thresholds", epochs=0, baselines=[]))
    assert isinstance(study, LayerThresholds)
    evaluator = TrialEvaluator(_Bench(), study, PERPLEXITY, 7.0, ours)  # type: ignore[arg-type]
    ours.work(4, evaluator.evaluate)
    for trial in trials(storage):
        val, density = trial.values
        assert val == pytest.approx(7.0 / trial.params["b"])
        assert density == pytest.approx(trial.params["b"], abs=1e-4)
    assert optuna.load_study(study_name="study", storage=storage).directions[0].name == "MINIMIZE"


@pytest.mark.parametrize(("max_drop", "feasible"), [(10.0, [0]), (100.0, [0, 1]), (900.0, [0, 1, 2])])
def test_the_smallest_within_a_loss_in_per_cent(max_drop: float, feasible: list[int]) -> None:
    scores = [(5.2, 0.8), (9.0, 0.3), (40.0, 0.1)]  # against 5: 4 %, 80 % and 700 % more
    given = {"objective": "smallest", "max_drop": max_drop, "finalists": 9, "baselines": []}
    study = instantiated(shipped("layer_thresholds", **given))
    assert isinstance(study, LayerThresholds)
    made = [create_trial(value=density, user_attrs={"val": val, "density": density}) for val, density in scores]
    for number, trial in enumerate(made):
        trial.number = number
    made.append(create_trial(state=TrialState.PRUNED, value=0.0))
    assert [trial.number for trial in study._chosen(made, PERPLEXITY, 5.0)] == feasible


def test_finalists_are_on_the_front_of_perplexity() -> None:
    scores = [(4.9, 0.9), (5.1, 0.5), (5.2, 0.6), (5.9, 0.2), (9.0, 0.1)]  # the last is 80 % worse: beyond twice 20 %
    study = instantiated(shipped("layer_thresholds", cliff=20.0, finalists=9, baselines=[]))
    assert isinstance(study, LayerThresholds)
    made = [create_trial(value=density, user_attrs={"val": val, "density": density}) for val, density in scores]
    for number, trial in enumerate(made):
        trial.number = number
    assert [trial.number for trial in study._chosen(made, PERPLEXITY, 5.0)] == [0, 1, 3]


def test_epochs_report_the_loss() -> None:
    study = optuna.create_study()
    stopping = EarlyStopping(study.ask(), PERPLEXITY, 5.0)
    stopping(TrainingEvent(kind="epoch", epoch=1, total=2, stage="retrain", val=6.0))
    assert study.trials[0].intermediate_values == {1: pytest.approx(20.0)}


def test_the_knee_measures_the_loss() -> None:
    made = as_text(point(after=96.5))

    class _Session:
        job = SimpleNamespace(route=lambda _: None)
        display = SimpleNamespace(point_done=lambda _: None)

        def identity(self, *_: object) -> Any:
            return made.identity

        def point(self, *_: object) -> TradeoffPoint:
            return made

    meter = _Meter([_Session()], None, "study")  # type: ignore[list-item, arg-type]
    assert meter._drop(meter.sessions[0], 0.1) == pytest.approx(100 / 14)
    knee = instantiated(shipped("knee", epsilon=5.0))
    assert isinstance(knee, Knee)
    within, beyond = Measurement(0.2, (3.0,)), Measurement(0.1, meter.measure(0.1).drops)
    told = knee._answer(PERPLEXITY, Bracket(within, beyond, (beyond, within)))
    assert told == "knee: 5.0x (density 0.2) loses 3.00 of at most 5 % of val perplexity; 10.0x loses 7.14"


def test_a_sweep_by_optuna_seeks_the_primary_metric_of_its_data() -> None:
    assert primary_of(OmegaConf.create({"x": 1})) == TOP1
    assert primary_of(OmegaConf.create({"data": {"info": {"classes": 10}}})) == TOP1
    assert directions(None, lambda: TOP1) == {"val.after.top1": "maximize"}
    assert directions(None, lambda: PERPLEXITY) == {"val.after.perplexity": "minimize"}
    assert directions({"density": "minimize"}, lambda: TOP1) == {"density": "minimize"}


def test_the_task_of_a_sweep_is_made_of_allowed_code() -> None:
    node = {"data": {"info": {"task": {"_target_": f"{__name__}.Spoken"}}}, "runtime": {"allow": [__name__]}}
    hydra = {"runtime": {"config_sources": []}, "searchpath": []}
    assert primary_of(OmegaConf.create({**node, "hydra": hydra})) == PERPLEXITY
    with pytest.raises(UserError, match=r"^data\.info\.task\._target_=.* is not allowed"):
        primary_of(OmegaConf.create({**node, "runtime": {"allow": []}, "hydra": hydra}))


class Spoken:
    """A task of the user's."""

    metrics = (PERPLEXITY,)
