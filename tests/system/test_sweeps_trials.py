"""Trials of ``study=layer_thresholds``: their values, early ends and failures, and the choice of finalists."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from pruneexp.errors import UserError
from pruneexp.experiment.display import Display
from pruneexp.experiment.run import run
from pruneexp.experiment.session import Abandoned, PointFailed
from pruneexp.schema import TOP1, PointResult, unflatten
from pruneexp.training.events import TrainingEvent
from sweeps.evaluation import EarlyStopping
from sweeps.studies import instantiated
from sweeps.studies.layer_thresholds import LayerThresholds
from sweeps.trials import Bench
from tests.contracts.composing import SMALL, composed
from tests.contracts.jobs import runs
from tests.contracts.studies import STUDY, epochs, nested, outcomes, places, recording, scale, shipped, swept, told

# --- searches with retraining -----------------------------------------------------------------------------------------


def test_the_smallest_network_is_sought_with_retraining_and_hopeless_ones_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside_the_bar: list[str] = []
    monkeypatch.setattr(Display, "points_done", lambda self, count, detail="": beside_the_bar.append(detail))
    search = (
        "study=layer_thresholds",
        "study.name=small",
        "study.baselines=[]",
        "study.objective=smallest",
        "study.epochs=2",
    )
    few = ("study.max_drop=5", "study.trials=7", "study.starts=7", "study.finalists=1", "retrain.epochs=2")
    assert swept(recording(tmp_path), *search, *few, "runtime.checkpoint_seconds=0") == 0
    assert not any((tmp_path / ".pruneexp/store/work").iterdir())  # no worker resumes a pruned trial
    trials = told(tmp_path, "small")
    given_up = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert 0 < len(given_up) < 7
    assert all(trial.user_attrs["pruned"].startswith("hopeless after epoch ") for trial in given_up)
    retrained = {int(point.data.params["trial"]): point for point in nested(tmp_path) if epochs(point) == 2}
    complete = {trial.number: trial for trial in trials if trial.state == TrialState.COMPLETE}
    assert set(retrained) == set(complete)
    for number, trial in complete.items():
        result = unflatten(PointResult, retrained[number].data.metrics)
        assert trial.values == [result.density]
        assert trial.intermediate_values[2] == result.val.dense["top1"] - result.val.after["top1"]
        assert trial.constraints == {"drop": pytest.approx(trial.intermediate_values[2] - 5)}  # 0 or less is allowed
    # The one finalist is the smallest of those that keep to the limit.
    kept = [trial for trial in complete.values() if trial.intermediate_values[2] <= 5]
    [study] = runs(tmp_path, "study")
    assert study.data.metrics["finalists"] == 1
    best = min(kept, key=lambda trial: trial.values[0])
    assert beside_the_bar[-1] == f"smallest within 5 points: {best.values[0]:.1%}"
    # Looking on changes no number: the same point by itself, in a store of its own.
    alone = ("criterion=layer_std", scale(best.params), "curve.densities=null", "curve.qualities=[1.0]")
    run(*composed(*SMALL, places(tmp_path)[1], f"runtime.store='{tmp_path}/alone'", *alone, "retrain.epochs=2"))
    [point] = [run for run in runs(tmp_path) if run.data.params["study"] == ""]
    for name in ("val.after.loss", "val.after.top1", "test.after.loss", "test.after.top1"):
        assert point.data.metrics[name] == retrained[best.number].data.metrics[name]


def test_a_pareto_search_with_retraining_gives_up_what_others_beat_before_it(tmp_path: Path) -> None:
    search = (
        "study=layer_thresholds",
        "study.name=rungs",
        "study.baselines=[]",
        "study.epochs=1",
        "study.trials=6",
        "study.starts=6",
    )
    more = ("study.finalists=0", "study.margin=0.5")
    assert swept(recording(tmp_path), *search, *more) == 0
    trials = told(tmp_path, "rungs")
    probes = {trial.number: trial.user_attrs["probe"] for trial in trials}
    for trial in trials:
        before = [probes[number] for number in range(trial.number)]
        val, density = probes[trial.number]
        beaten = any(v >= val + 0.5 and d <= density for v, d in before)
        assert (trial.state == TrialState.PRUNED) is beaten
    retrained = {int(point.data.params["trial"]) for point in nested(tmp_path) if epochs(point) == 1}
    assert retrained == {trial.number for trial in trials if trial.state == TrialState.COMPLETE}


class Reported:
    """An Optuna trial whose pruner gives up from a certain drop on."""

    def __init__(self, hopeless: float) -> None:
        self.hopeless = hopeless
        self.drops: dict[int, float] = {}

    def report(self, drop: float, step: int) -> None:
        self.drops[step] = drop

    def should_prune(self) -> bool:
        return max(self.drops.values()) >= self.hopeless


def epoch(index: int, top1: float, stage: str = "retrain") -> TrainingEvent:
    return TrainingEvent(kind="epoch", epoch=index, total=2, stage=stage, val=top1)


def test_early_stopping_watches_retraining_only_and_ends_it() -> None:
    trial = Reported(hopeless=5.0)
    stopping = EarlyStopping(trial, TOP1, 97.0)  # type: ignore[arg-type]
    stopping(epoch(1, 10.0, "dense"))
    stopping(TrainingEvent(kind="begin", epoch=0, total=2, stage="retrain"))
    stopping(epoch(1, 93.0))
    with pytest.raises(Abandoned, match=r"^hopeless after epoch 2$"):
        stopping(epoch(2, 92.0))
    assert trial.drops == {1: 4.0, 2: 5.0}


def test_an_epoch_that_is_trained_again_is_reported_once_and_in_silence() -> None:
    study = optuna.create_study()
    trial = study.ask()
    stopping = EarlyStopping(trial, TOP1, 97.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            stopping(epoch(1, 93.0))
    assert study.trials[0].intermediate_values == {1: 4.0}


# --- other searches ---------------------------------------------------------------------------------------------------


def test_the_greedy_sequence_is_the_same_however_many_are_asked_for(tmp_path: Path) -> None:
    search = ("study=layer_thresholds", "study.name=greedy", "study.sampler=greedy", "study.finalists=0")
    recording(tmp_path)
    found = []
    for count in (2, 5):
        assert swept(tmp_path, *search, f"study.trials={count}") == 0
        found.append(outcomes(told(tmp_path, "greedy")))
    assert found[1][:2] == found[0]
    shares = [sum(trial.params.values()) for trial in told(tmp_path, "greedy")]
    assert sorted(range(5), key=lambda number: shares[number]) == [3, 1, 0, 4, 2]  # 1/8, 1/4, 1/2, 5/8, 3/4


def test_a_trial_that_cannot_be_computed_is_told_failed_and_the_study_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    probe = Bench.probe

    def failing(self: Bench, number: int, levels: dict[str, float]) -> Any:
        if number == 1:
            raise PointFailed("Diverged: the loss is nan")
        return probe(self, number, levels)

    monkeypatch.setattr(Bench, "probe", failing)
    assert swept(recording(tmp_path), *STUDY, "study.trials=3", "study.finalists=0") == 0
    assert [trial.state.name for trial in told(tmp_path)] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert capsys.readouterr().out.splitlines()[:2] == [
        "3 trials: 2 complete, 0 given up, 1 failed",
        "  trial 1 failed: Diverged: the loss is nan",
    ]
    assert runs(tmp_path, "study")[0].data.metrics["trials.fail"] == 1


def test_a_disk_that_refuses_ends_the_study_and_leaves_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise UserError("the store is full; free some space")

    monkeypatch.setattr(Bench, "probe", full)
    assert swept(recording(tmp_path), *STUDY, "study.trials=3") == 2
    assert capsys.readouterr().err == "sweeps: the store is full; free some space\n"
    assert [trial.state.name for trial in told(tmp_path)] == ["WAITING"]
    assert [run.info.status for run in runs(tmp_path, "study")] == ["FAILED"]


# --- who is retrained -------------------------------------------------------------------------------------------------


def chosen(scores: Sequence[tuple[float, float]], **options: Any) -> list[int]:
    """Numbers of the finalists among trials of these accuracies and densities; the dense network has 97 %."""
    given = {"max_drop": 2.0, "cliff": 10.0, "baselines": [], "finalists": 3, **options}
    study = instantiated(shipped("layer_thresholds", **given))
    assert isinstance(study, LayerThresholds)
    trials = []
    for number, (val, density) in enumerate(scores):
        trial = create_trial(value=density, user_attrs={"val": val, "density": density})
        trial.number = number
        trials.append(trial)
    trials.append(create_trial(state=TrialState.PRUNED, value=0.0))
    return [trial.number for trial in study._chosen(trials, TOP1, 97.0)]


def test_finalists_are_on_the_front_above_twice_the_cliff_and_spread_out() -> None:
    scores = [(97.0, 0.9), (96.0, 0.8), (95.0, 0.1), (90.0, 0.2), (78.0, 0.05), (76.0, 0.01)]
    assert chosen(scores, finalists=9) == [0, 1, 2, 4]  # 3 is beaten by 2, and 5 lies below 77
    assert chosen(scores, finalists=3) == [0, 2, 4]
    assert chosen(scores, finalists=0) == []


def test_baselines_are_retrained_beside_the_front_unless_they_are_hopeless() -> None:
    scores = [(90.0, 0.3), (70.0, 0.1), (96.0, 0.4), (95.0, 0.2), (91.0, 0.05)]  # the first two are of a baseline
    beside = {"baselines": ["global"], "baseline_densities": [0.3, 0.1]}
    assert chosen(scores, finalists=1, **beside) == [0, 3]
    assert chosen(scores, finalists=0, **beside) == []
    assert chosen(scores, objective="smallest", finalists=1, **beside) == [0, 3]
    within = {"objective": "best", "max_cost": 0.35, "baselines": ["global", "lamp"]}
    assert chosen(scores, finalists=1, **within) == [3, 0, 1]  # each baseline once
    assert chosen(scores, finalists=0, **within) == []


def test_of_equal_networks_one_is_retrained() -> None:
    assert chosen([(96.0, 0.5), (96.0, 0.5), (95.0, 0.3)]) == [0, 2]


def test_the_smallest_that_keep_to_the_limit_are_retrained() -> None:
    scores = [(97.0, 0.9), (95.0, 0.3), (94.9, 0.1), (96.0, 0.4), (95.5, 0.5)]
    assert chosen(scores, objective="smallest", finalists=2) == [1, 3]
    assert chosen(scores[2:3], objective="smallest") == []
