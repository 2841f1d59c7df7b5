"""One worker of a study: what it takes, what it tells, and what becomes of trials that it or another gives up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from pruneexp.errors import UserError
from sweeps import driver
from sweeps.driver import Direction, TrialFailed, TrialPruned
from sweeps.sampling import suggest
from sweeps.storing import open_storage
from tests.contracts.workers import (
    DIMENSIONS,
    ONE,
    PARETO,
    Clock,
    die_in,
    ended,
    noted,
    opened,
    started,
    told,
    trials,
    value,
    without_syncing,
    worker,
)


@pytest.fixture
def storage(tmp_path: Path) -> BaseStorage:
    return open_storage(None, tmp_path / "studies" / "study.journal")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stands = Clock()
    monkeypatch.setattr(driver, "time", stands)
    return stands


# --- resumed as if never stopped --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sampler", "objectives", "kind", "killed", "totals"),
    [
        ("tpe", PARETO, "journal", 13, (20, 30)),
        ("tpe", ONE, "journal", 13, (20, 30)),
        ("nsga2", PARETO, "journal", 13, (20, 30)),  # the second generation begins at 20
        ("random", PARETO, "journal", 13, (20, 30)),
        ("cmaes", ONE, "journal", 5, (9, 14)),
        ("tpe", PARETO, "sqlite", 5, (8, 14)),
    ],
    ids=lambda value: value if isinstance(value, str) else str(len(value)) if isinstance(value, dict) else "",
)
def test_killed_in_the_middle_of_a_trial_and_gone_on_with_equals_one_go(
    sampler: str,
    objectives: Mapping[str, Direction],
    kind: str,
    killed: int,
    totals: tuple[int, int],
    tmp_path: Path,
) -> None:
    prefix = f"sqlite:///{tmp_path}/" if kind == "sqlite" else f"{tmp_path}/"
    whole, broken = f"{prefix}whole", f"{prefix}broken"
    dying = started(die_in, broken, sampler, objectives, killed)
    with without_syncing():
        worker(opened(whole), sampler=sampler, objectives=objectives).work(totals[-1], value)
        assert ended(dying) == 9
        assert [state for _, state, _, _ in told(opened(broken))] == ["COMPLETE"] * killed + ["RUNNING"]
        for total in totals:
            worker(opened(broken), sampler=sampler, objectives=objectives).work(total, value)
    expected = told(opened(whole))
    assert told(opened(broken)) == expected
    assert [number for number, *_ in expected] == list(range(totals[-1]))


def test_stopped_between_two_parameters_the_trial_is_completed_as_ever(
    storage: BaseStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker(whole := open_storage(None, tmp_path / "whole")).work(3, value)

    def stopped(trial: optuna.Trial, name: str, distribution: Any) -> None:
        if (trial.number, name) == (1, "b"):
            raise KeyboardInterrupt
        suggest(trial, name, distribution)

    with monkeypatch.context() as patched:
        patched.setattr(driver, "suggest", stopped)
        with pytest.raises(KeyboardInterrupt):
            worker(storage).work(3, value)
    assert [list(trial.params) for trial in trials(storage)] == [["a", "b"], ["a"]]
    worker(storage).work(3, value)
    assert told(storage) == told(whole)


def test_more_trials_go_on_and_no_more_is_done_when_all_are_there(storage: BaseStorage) -> None:
    log: list[int] = []
    for total in (3, 5, 5, 2):
        worker(storage).work(total, noted(log))
    assert log == [0, 1, 2, 3, 4]
    assert [trial.number for trial in worker(storage).finished(4)] == [0, 1, 2, 3]


def test_after_its_time_a_worker_begins_no_further_trial(storage: BaseStorage, clock: Clock) -> None:
    def evaluate(trial: optuna.Trial) -> Sequence[float]:
        clock.now += 40
        return value(trial)

    worker(storage).work(9, evaluate, 100.0)
    assert [state for _, state, _, _ in told(storage)] == ["COMPLETE"] * 3
    worker(storage).work(4, evaluate, 100.0)
    assert [state for _, state, _, _ in told(storage)] == ["COMPLETE"] * 4


# --- how a trial may end ----------------------------------------------------------------------------------------------


def test_what_becomes_of_a_trial_is_told_with_its_reason(storage: BaseStorage) -> None:
    ends = [TrialPruned("others are better"), TrialFailed("it diverged"), None]

    def evaluate(trial: optuna.Trial) -> Sequence[float]:
        end = ends[trial.number]
        if end is not None:
            raise end
        return value(trial)

    worker(storage).work(3, evaluate)
    found = trials(storage)
    assert [trial.state for trial in found] == [TrialState.PRUNED, TrialState.FAIL, TrialState.COMPLETE]
    assert found[0].user_attrs["pruned"] == "others are better"
    assert found[1].user_attrs["failure"] == "it diverged"
    assert all(set(trial.params) == set(DIMENSIONS) for trial in found)
    assert [trial.number for trial in worker(storage).finished(3)] == [0, 1, 2]


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), RuntimeError("a bug"), UserError("the disk is full")])
def test_anything_else_puts_the_trial_back_and_goes_through(storage: BaseStorage, raised: BaseException) -> None:
    def evaluate(trial: optuna.Trial) -> Sequence[float]:
        if trial.number == 1:
            raise raised
        return value(trial)

    with pytest.raises(type(raised)):
        worker(storage).work(3, evaluate)
    first, second = trials(storage)
    assert (first.state, second.state) == (TrialState.COMPLETE, TrialState.WAITING)
    assert second.user_attrs["pruneexp.worker"] is None
    log: list[int] = []
    worker(storage).work(3, noted(log))
    assert log == [1, 2]
    assert trials(storage)[1].params == second.params


def test_a_value_that_is_no_number_is_not_told(storage: BaseStorage) -> None:
    with pytest.raises(ValueError, match="nan"):
        worker(storage).work(1, lambda trial: (float("nan"), 1.0))
    assert not worker(storage).finished(1)


# --- what a study is --------------------------------------------------------------------------------------------------


def test_a_study_is_joined_by_those_who_mean_the_same(storage: BaseStorage) -> None:
    about = {"baseline": "k", "bounds": {"a": [0.0, 2.0]}, "max_drop": None}
    worker(storage, about=about)
    worker(storage, about={**about, "bounds": {"a": [0.0, 2.0]}})
    study = optuna.load_study(study_name="study", storage=storage)
    assert study.user_attrs["pruneexp.definition"] == about
    assert study.metric_names == ["accuracy", "size"]


def test_a_study_of_something_else_is_refused_by_name(storage: BaseStorage) -> None:
    worker(storage, about={"baseline": "k", "bounds": [1], "seed": 0})
    with pytest.raises(UserError) as caught:
        worker(storage, about={"baseline": "other", "bounds": [1], "pruner": "none", "seed": 0})
    assert str(caught.value) == (
        "the study study exists and is of another baseline, pruner: "
        "give this one another study.name, or ask with the same settings"
    )
    with pytest.raises(UserError, match="is of another objectives:"):
        worker(storage, about={"baseline": "k", "bounds": [1], "seed": 0}, objectives=ONE)


def test_a_study_that_is_described_and_begun_at_this_moment_is_joined(
    storage: BaseStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {"bounds": [1]}
    study = optuna.create_study(study_name="study", storage=storage, directions=["maximize", "minimize"])
    trials = optuna.Study.get_trials

    def begun(self: optuna.Study, *arguments: Any, **named: Any) -> Any:
        study.set_user_attr("pruneexp.definition", about)  # by its maker, after this worker has looked for it
        study.ask()
        return trials(self, *arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(optuna.Study, "get_trials", begun)
        worker(storage, about=about)


def test_a_study_that_nobody_described_is_not_ours(storage: BaseStorage) -> None:
    study = optuna.create_study(study_name="study", storage=storage, directions=["maximize", "minimize"])
    study.ask()
    with pytest.raises(UserError, match="exists and is of another bounds"):
        worker(storage)


def test_a_study_whose_maker_died_before_describing_it_is_described(storage: BaseStorage, clock: Clock) -> None:
    optuna.create_study(study_name="study", storage=storage, directions=["maximize", "minimize"])
    worker(storage)
    assert clock.now >= 30
    assert optuna.load_study(study_name="study", storage=storage).user_attrs["pruneexp.definition"]
