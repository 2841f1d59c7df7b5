"""Samplers by name: what a trial draws follows from its number, whoever draws it and whatever happened before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection

from pruneexp.errors import UserError
from sweeps.sampling import NAMES, STARTUP, sampler, trial_seed
from tests.contracts.workers import DIMENSIONS, value

COUNT = 26  # beyond the random start of each sampler, and the first generation of nsga2


def study_of(objectives: int) -> optuna.Study:
    return optuna.create_study(directions=[StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE][:objectives])


def drawn(chosen: BaseSampler, study: optuna.Study) -> Mapping[str, Any]:
    """The parameters of one more trial, which is told its values."""
    study.sampler = chosen
    trial = study.ask(dict(DIMENSIONS))
    study.tell(trial, value(trial))
    return trial.params


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name == "gp")) for name in NAMES],  # which fits each time
)
def test_a_sampler_made_anew_for_every_trial_draws_the_same(name: str) -> None:
    objectives = 1 if name == "cmaes" else 2
    once, anew = study_of(objectives), study_of(objectives)
    whole = sampler(name, 3, objectives, 2)
    one = [drawn(whole, once) for _ in range(COUNT)]
    two = [drawn(sampler(name, 3, objectives, 2), anew) for _ in range(COUNT)]
    assert one == two
    assert len({tuple(params.items()) for params in one}) > COUNT / 2
    assert all(0 <= params["a"] <= 2 and 0.01 <= params["b"] <= 1 for params in one)


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_draws_other_values(name: str) -> None:
    objectives = 1 if name == "cmaes" else 2
    first, second = (drawn(sampler(name, seed, objectives, 2), study_of(objectives)) for seed in (0, 1))
    assert first != second


def test_a_model_of_earlier_trials_is_made_and_differs_from_chance() -> None:
    models = {name: study_of(1) for name in ("tpe", "random")}
    found = {name: [drawn(sampler(name, 0, 1, 2), study)["b"] for _ in range(40)] for name, study in models.items()}
    assert found["tpe"][:STARTUP] == found["random"][:STARTUP]
    later = {name: sum(levels[STARTUP:]) for name, levels in found.items()}  # the larger the better
    assert later["tpe"] > 2 * later["random"]


def test_seeds_of_trials_fit_and_differ() -> None:
    seeds = {trial_seed(seed, number, name) for seed in range(5) for number in range(50) for name in ("", "a", "b")}
    assert len(seeds) == 750
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert trial_seed(1, 11) != trial_seed(11, 1)


def test_the_first_trials_take_the_starts() -> None:
    starts = [{"a": 0.5, "b": 0.1}, {"a": 2.0, "b": 0.01}]
    study, plain = study_of(2), study_of(2)
    found = [drawn(sampler("tpe", 0, 2, 2, starts), study) for _ in range(4)]
    assert found[:2] == starts
    assert found[2:] == [drawn(sampler("tpe", 0, 2, 2), plain) for _ in range(4)][2:]


def test_a_start_may_leave_a_parameter_to_chance() -> None:
    found = drawn(sampler("random", 0, 2, 2, [{"b": 0.5}]), study_of(2))
    assert found["b"] == 0.5
    assert found["a"] == drawn(sampler("random", 0, 2, 2), study_of(2))["a"]


@pytest.mark.parametrize("name", ["tpe", "random", "nsga2"])
def test_a_trial_that_was_stopped_between_two_parameters_draws_the_second_as_ever(name: str) -> None:
    whole, broken = study_of(2), study_of(2)
    expected = [drawn(sampler(name, 0, 2, 2), whole) for _ in range(15)][-1]
    for _ in range(14):
        drawn(sampler(name, 0, 2, 2), broken)
    trial = broken.ask()
    trial.suggest_float("a", 0.0, 2.0)
    again = optuna.Trial(broken, trial._trial_id)  # as after a kill: only what is stored is known
    broken.sampler = sampler(name, 0, 2, 2)
    assert (again.suggest_float("a", 0.0, 2.0), again.suggest_float("b", 0.01, 1.0, log=True)) == (
        trial.params["a"],
        expected["b"],
    )


@pytest.mark.parametrize(
    ("name", "objectives", "dimensions", "sentence"),
    [
        ("grid", 1, 2, "sampler=grid: no such sampler; there are tpe, gp, nsga2, random, cmaes"),
        ("cmaes", 2, 2, "sampler=cmaes: CMA-ES takes a single objective; choose tpe, nsga2 or random for several"),
        ("cmaes", 1, 1, "sampler=cmaes: CMA-ES needs two dimensions or more; choose tpe or random"),
    ],
)
def test_what_does_not_apply_is_refused(name: str, objectives: int, dimensions: int, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        sampler(name, 0, objectives, dimensions)
    assert str(caught.value) == sentence
