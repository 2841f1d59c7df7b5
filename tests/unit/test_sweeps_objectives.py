"""``study.objective=best``: the best network within a cost, what is allowed, and where baselines just keep to it."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from pruneexp.errors import Infeasible
from pruneexp.schema import TOP1, TradeoffPoint
from sweeps import baselines, evaluation, report
from sweeps.costs import TrialCost
from sweeps.evaluation import TrialEvaluator
from sweeps.objectives import directions
from sweeps.sampling import NAMES
from sweeps.studies import instantiated
from sweeps.studies.layer_thresholds import LayerThresholds
from tests.contracts.points import PERPLEXITY, point
from tests.contracts.studies import shipped
from tests.contracts.workers import worker


def study(**options: Any) -> LayerThresholds:
    made = instantiated(
        shipped("layer_thresholds", **{"objective": "best", "max_cost": 0.3, "baselines": [], **options})
    )
    assert isinstance(made, LayerThresholds)
    return made


class _Bench:
    """Cuts nothing: a trial at density ``b`` has the accuracy 90 + 7 b, against 97 of the dense network."""

    session = SimpleNamespace(display=SimpleNamespace(points_done=lambda *_: None))
    cost = TrialCost()

    def probe(self, _: int, levels: Mapping[str, float]) -> TradeoffPoint:
        return point(dense=97.0, density=levels["b"], after=90.0 + 7.0 * levels["b"])


def searched(sampler: str, trials: int) -> list[FrozenTrial]:
    ours = worker(optuna.storages.InMemoryStorage(), sampler=sampler, objectives=directions("best", TOP1, "density"))
    ours.work(trials, TrialEvaluator(_Bench(), study(sampler=sampler), TOP1, 97.0, ours).evaluate)  # type: ignore[arg-type]
    return ours.finished(trials)


@pytest.mark.parametrize("sampler", NAMES)
def test_each_sampler_tells_what_is_allowed_from_what_is_not(sampler: str) -> None:
    found = searched(sampler, 24)
    allowed = [trial for trial in found if trial.params["b"] <= 0.3]
    assert {trial.state for trial in found} == {TrialState.COMPLETE}
    assert 0 < len(allowed) < 24
    for trial in found:
        val, density = trial.user_attrs["val"], trial.user_attrs["density"]
        if trial in allowed or sampler != "cmaes":
            assert trial.value == pytest.approx(97.0 - val)
        else:
            assert trial.value == pytest.approx(1e6 + (density - 0.3) / 100, abs=1e-8)  # behind all that are allowed
        assert trial.constraints == ({} if sampler == "cmaes" else {"cost": density - 0.3})
    if sampler in ("tpe", "gp", "cmaes"):  # which make a model of it
        assert max(trial.params["b"] for trial in allowed) > 0.25


def test_a_value_is_a_loss_whichever_way_is_better() -> None:
    assert directions("best", TOP1, "flop") == {"val accuracy lost": "minimize"}
    assert directions("best", PERPLEXITY, "flop") == {"val perplexity lost": "minimize"}


@pytest.mark.parametrize(("density", "watched"), [(0.3, True), (0.31, False)])
def test_a_retraining_is_given_up_by_those_that_are_allowed_alone(density: float, watched: bool) -> None:
    evaluator = TrialEvaluator(_Bench(), study(epochs=1), TOP1, 97.0, None)  # type: ignore[arg-type]
    trial = optuna.create_study().ask()
    assert (evaluator._watch(trial, point(density=density)) is not None) is watched


def told(scores: list[tuple[float, float]]) -> list[FrozenTrial]:
    """Trials of these accuracies and densities, and one that was given up."""
    made = [create_trial(value=0.0, user_attrs={"val": val, "density": density}) for val, density in scores]
    for number, trial in enumerate(made):
        trial.number = number
    return [*made, create_trial(state=TrialState.PRUNED, value=0.0)]


def test_finalists_are_the_best_within_the_cost_and_of_equally_good_ones_the_cheapest_first() -> None:
    scores = [(95.0, 0.3), (97.0, 0.31), (96.0, 0.3), (96.0, 0.2), (90.0, 0.1)]
    assert [trial.number for trial in study(finalists=3)._chosen(told(scores), TOP1, 97.0)] == [3, 2, 0]
    assert [trial.number for trial in study(finalists=1)._chosen(told(scores), PERPLEXITY, 80.0)] == [4]
    assert study()._chosen(told(scores[1:2]), TOP1, 97.0) == []


@pytest.mark.parametrize(("objective", "beaten"), [("best", True), ("pareto", False)])
def test_a_finalist_within_the_cost_is_beaten_by_a_dearer_one(objective: str, beaten: bool) -> None:
    made = optuna.create_study()
    dearer, trial = made.ask(), made.ask()
    dearer.set_user_attr("after 1", [96.0, 0.3])
    trial.set_user_attr("after 1", [94.0, 0.2])
    options = study(objective=objective, max_cost=0.3 if objective == "best" else None)
    assert evaluation._is_beaten(trial, "after 1", TOP1, 97.0, options) is beaten
    assert not evaluation._is_beaten(dearer, "after 1", TOP1, 97.0, options)


def test_the_best_of_the_finalists_is_that_on_val_and_its_numbers_are_told() -> None:
    scores = ((95.0, 0.3), (96.0, 0.3), (96.0, 0.2))
    made = [create_trial(values=each, user_attrs={"trial": 7 + place}) for place, each in enumerate(scores)]
    best = report.best_of(made, TOP1, 97.0)
    assert best is made[2]
    numbers = report.numbers([], made, best, TOP1)
    assert {"best.trial": 9, "best.val.after.top1": 96.0, "best.cost": 0.2}.items() <= numbers.items()
    assert report.best_of([create_trial(state=TrialState.PRUNED)], TOP1, 97.0) is None
    assert not any(name.startswith("best") for name in report.numbers([], made, None, TOP1))


def test_a_baseline_stands_where_it_just_keeps_to_the_cost() -> None:
    def at(density: float) -> dict[str, float]:
        if density < 0.1:
            raise Infeasible("a unit must stay")
        return {"a": density}

    def cost(levels: Mapping[str, float]) -> float:
        return levels["a"] ** 2

    found = baselines._most_within(at, 0.25, cost)
    assert found is not None
    assert 0.99 * 0.25 <= cost(found) <= 0.25
    assert baselines._most_within(at, 1.0, cost) is not None
    assert baselines._most_within(at, 0.009, cost) is None  # 0.1 costs 0.01
