"""The Optuna sweeper, driven through a small Hydra application of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import hydra
import optuna
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.pruneexp_optuna_sweeper._space import read
from hydra_plugins.pruneexp_optuna_sweeper._trials import SearchedJobs
from pruneexp.errors import JobFailed, UserError
from sweeps import driver
from sweeps.storing import open_storage
from tests.contracts.workers import Clock

CONFIG = """\
x: 0.0
n: 1
kind: a
flag: false
runtime: {threads: 1}
hydra: {output_subdir: null, sweep: {dir: swept, subdir: .}}
defaults:
  - _self_
  - override hydra/sweeper: optuna
  - override hydra/job_logging: disabled
  - override hydra/hydra_logging: disabled
"""

LOSS = "hydra.sweeper.objectives={loss:minimize}"


class App:
    """``python app.py -m ...`` within this process; ``jobs`` are the command lines of the jobs that have run."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.jobs: list[list[str]] = []
        (folder / "config.yaml").write_text(CONFIG)

    def __call__(self, *arguments: str, measure: Callable[[DictConfig], Any] | None = None) -> dict[str, Any]:
        def job(config: DictConfig) -> Any:
            self.jobs.append(list(HydraConfig.get().overrides.task))
            return (measure or quadratic)(config)

        GlobalHydra.instance().clear()
        self.monkeypatch.setattr(sys, "argv", ["app.py", "-m", *arguments])
        hydra.main(version_base="1.3", config_path=str(self.folder), config_name="config")(job)()
        return self.results()

    def results(self) -> dict[str, Any]:
        return dict(yaml.safe_load((self.folder / "swept" / "optimization_results.yaml").read_text()))

    def trials(self, study: str) -> list[optuna.trial.FrozenTrial]:
        storage = open_storage(None, self.folder / ".pruneexp/studies" / f"{study}.journal")
        return optuna.load_study(study_name=study, storage=storage).trials


def quadratic(config: DictConfig) -> dict[str, float]:
    return {"loss": (config.x - 0.3) ** 2 + config.n, "size": 1.0 - config.x}


def asked(*lines: str) -> SearchedJobs:
    dimensions, fixed = read(lines)
    return SearchedJobs(dimensions=dimensions, fixed=fixed, objectives={"loss": "minimize"}, trials=5, n_jobs=1,
                        sampler="random", seed=0, storage=None, study=None)  # fmt: skip


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    return App(tmp_path, monkeypatch)


def test_the_best_of_a_sweep_is_shown_and_written(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    found = app(LOSS, "hydra.sweeper.trials=5", "x=interval(0,1)", "n=range(1,3)", "kind=a,b", "flag=true,false")
    assert len(app.jobs) == found["completed"] == 5
    trials = app.trials(found["study"])
    best = min(trials, key=lambda trial: trial.values[0])
    assert found["best"] == [{"trial": best.number, "values": {"loss": best.values[0]}, "params": best.params}]
    assert app.jobs[best.number] == [
        f"flag={best.params['flag']}", f"kind={best.params['kind']}", f"n={best.params['n']}", f"x={best.params['x']!r}"
    ]  # fmt: skip
    assert found["storage"] == f".pruneexp/studies/{found['study']}.journal"
    said = capsys.readouterr().out.splitlines()
    assert said[-2].split() == ["trial", "loss", "flag", "kind", "n", "x"]
    assert said[-1].split()[:2] == [str(best.number), f"{best.values[0]:.6g}"]


def test_a_resumed_sweep_equals_one_in_one_go(app: App) -> None:
    for study, trials in (("whole", 10), ("parts", 4), ("parts", 10)):
        app(LOSS, "x=interval(0,1)", "n=1,2", f"hydra.sweeper.study={study}", f"hydra.sweeper.trials={trials}")
    whole, parts = ([(t.params, t.values) for t in app.trials(study)] for study in ("whole", "parts"))
    assert len(whole) == 10
    assert parts == whole


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "cmaes"])
def test_a_sampler_that_has_learnt_resumes_too(app: App, sampler: str) -> None:
    def searched(study: str, trials: int) -> list[tuple[dict[str, Any], list[float]]]:
        request = replace(asked("x=interval(0,1)", "n=range(1,9)"), sampler=sampler, study=study)
        worker = request.worker()
        worker.work(trials, lambda trial: [quadratic(OmegaConf.create(trial.params))["loss"]])
        return [(trial.params, trial.values) for trial in worker.finished(trials)]

    searched("parts", 17)
    assert searched("parts", 30) == searched("whole", 30)


def test_an_interrupted_trial_is_run_again(app: App) -> None:
    def pressed(config: DictConfig) -> dict[str, float]:
        if len(app.jobs) == 3:
            raise KeyboardInterrupt
        return quadratic(config)

    ranges = [LOSS, "hydra.sweeper.trials=5", "x=interval(0,1)"]
    with pytest.raises(KeyboardInterrupt):
        app(*ranges, "hydra.sweeper.study=stopped", measure=pressed)
    app(*ranges, "hydra.sweeper.study=stopped")
    assert app.jobs[3] == app.jobs[2]
    app(*ranges, "hydra.sweeper.study=whole")
    assert [t.params for t in app.trials("stopped")] == [t.params for t in app.trials("whole")]


def test_a_trial_interrupted_while_it_is_drawn_is_run_again(app: App) -> None:
    ranges = [LOSS, "hydra.sweeper.trials=3", "hydra.sweeper.study=drawn", "x=interval(0,1)"]
    with app.monkeypatch.context() as there:
        there.setattr(driver, "suggest", Mock(side_effect=KeyboardInterrupt))  # a signal may be ignored here
        with pytest.raises(KeyboardInterrupt):
            app(*ranges)
    app(*ranges)
    assert [t.state.name for t in app.trials("drawn")] == ["COMPLETE"] * 3


def test_a_trial_that_runs_on_another_machine_is_left_to_it_while_it_gives_signs(app: App) -> None:
    ranges = [LOSS, "hydra.sweeper.trials=3", "hydra.sweeper.study=shared", "x=interval(0,1)"]
    worker = replace(asked("x=interval(0,1)"), study="shared").worker()
    theirs = worker.storage.create_new_trial(worker.storage.get_study_id_from_name("shared"))
    worker.storage.set_trial_user_attr(theirs, "pruneexp.worker", {"place": "elsewhere", "pid": 1, "started": "1"})
    clock, begun = Clock(), list[float]()
    clock.meanwhile = lambda now: worker.storage.set_trial_user_attr(theirs, "pruneexp.beat", min(now // 50, 10))
    app.monkeypatch.setattr(driver, "time", clock)

    def measure(config: DictConfig) -> dict[str, float]:
        begun.append(clock.now)
        return quadratic(config)

    app(*ranges, measure=measure)
    assert [trial.state.name for trial in app.trials("shared")] == ["COMPLETE"] * 3
    assert begun[:2] == [0.0, 0.0]
    assert 600 < begun[2] < 640  # its last sign of life was at 500 s


def test_trials_that_are_launched_together_are_told_apart(app: App) -> None:
    with pytest.raises(JobFailed, match=r"^1 trials failed: trial 0 \(one point\)$"):
        app(LOSS, "hydra.sweeper.trials=4", "hydra.sweeper.n_jobs=3", "hydra.sweeper.study=three", "x=interval(0,1)",
            measure=raising(JobFailed("one point")))  # fmt: skip
    found = app.trials("three")
    assert [trial.state.name for trial in found] == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert found[0].user_attrs["failure"] == "one point"
    assert [job[0] for job in app.jobs] == [f"x={trial.params['x']!r}" for trial in found]
    assert [trial.values for trial in found[1:]] == [[(trial.params["x"] - 0.3) ** 2 + 1] for trial in found[1:]]


def test_an_interrupted_launch_puts_all_of_its_trials_back(app: App) -> None:
    ranges = [LOSS, "hydra.sweeper.trials=4", "hydra.sweeper.n_jobs=2", "x=interval(0,1)"]
    with pytest.raises(KeyboardInterrupt):
        app(*ranges, "hydra.sweeper.study=stopped", measure=raising(KeyboardInterrupt()))
    assert [trial.state.name for trial in app.trials("stopped")] == ["WAITING", "WAITING"]
    for study in ("stopped", "whole"):
        app(*ranges, f"hydra.sweeper.study={study}")
    stopped, whole = ([(t.params, t.values) for t in app.trials(study)] for study in ("stopped", "whole"))
    assert stopped == whole


def raising(*errors: BaseException) -> Callable[[DictConfig], Any]:
    """Jobs that raise these in turn, and then none."""
    left = list(errors)

    def measure(config: DictConfig) -> Any:
        if left:
            raise left.pop(0)
        return quadratic(config)

    return measure


def test_a_failed_job_does_not_end_the_sweep(app: App) -> None:
    errors = JobFailed("one point"), RuntimeError("lost http://me:secret@host/"), UserError("mendable")
    said = r"3 trials failed: trial 0 \(one point\); trial 1 \(lost http://\*\*\*@host/\); trial 2 \(mendable\)"
    with pytest.raises(JobFailed, match=said):
        app(LOSS, "hydra.sweeper.trials=5", "x=interval(0,1)", measure=raising(*errors))
    assert (app.results()["completed"], app.results()["failed"]) == (2, 3)
    assert app.results()["best"][0]["trial"] in (3, 4)


@pytest.mark.parametrize(
    ("returned", "there"),
    [({"size": 1.0, "loss": float("nan")}, "size"), ({"size": 1.0, "top5": None}, "size"), (0.5, "none")],
    ids=["nan", "missing", "no mapping"],
)
def test_a_job_without_the_objective_has_failed(app: App, returned: object, there: str) -> None:
    with pytest.raises(UserError, match=f"^the job returned no number loss; there are {there}$"):
        app(LOSS, "hydra.sweeper.trials=1", "x=interval(0,1)", measure=lambda config: returned)
    assert app.results()["best"] == []


def test_several_objectives_give_a_pareto_front(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    objectives = "hydra.sweeper.objectives={size:maximize,loss:minimize}"
    found = app(objectives, "hydra.sweeper.trials=8", "x=interval(0,0.6)")
    # Up to the x of least loss the two trade off; beyond it both are worse.
    trials = sorted(app.trials(found["study"]), key=lambda trial: trial.values[0])
    least = trials[0]
    front = [trial for trial in trials if trial.params["x"] <= least.params["x"]]
    assert 2 < len(front) < 8
    assert [row["trial"] for row in found["best"]] == [trial.number for trial in front]
    assert found["best"][0]["values"] == {"loss": least.values[0], "size": least.values[1]}
    said = capsys.readouterr().out.splitlines()
    header, *rows = (line.split() for line in said[-1 - len(front) :])
    assert header == ["trial", "loss", "size", "x"]
    assert [row[0] for row in rows] == [str(trial.number) for trial in front]


def test_params_are_swept_and_the_command_line_wins(app: App) -> None:
    params = "hydra.sweeper.params={x:'interval(0,1)',n:'1,2',kind:b}"
    app(LOSS, "hydra.sweeper.trials=2", "hydra.sweeper.n_jobs=2", params, "n=7")
    assert [line.partition("=")[0] for line in app.jobs[0]] == ["n", "kind", "x"]
    assert [line[:2] for line in app.jobs] == [["n=7", "kind=b"]] * 2


def named(request: SearchedJobs) -> str:
    return request.definition().name


def test_another_sweep_has_another_study() -> None:
    first = asked("x=interval(0,1)", "n=2")
    assert named(asked("n=2", "x=interval(0,1.0)", "runtime.threads=2")) == named(first)
    assert named(replace(first, trials=99, n_jobs=3, storage="sqlite:///other.db")) == named(first)
    others = [asked("x=interval(0,2)", "n=2"), asked("x=interval(0,1)", "n=3"), asked("x=tag(log,interval(1,2))"),
              replace(first, objectives={"loss": "maximize"}), replace(first, seed=1), replace(first, sampler="tpe"),
              replace(first, study="mine")]  # fmt: skip
    assert len({named(request) for request in (first, *others)}) == 8


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("x=1", "there is nothing to sweep: give a key a range, such as"),
        ("x=1,2 hydra.sweeper.trials=0", "hydra.sweeper.trials=0: allowed is 1 or more"),
        ("x=1,2 hydra.sweeper.n_jobs=0", "hydra.sweeper.n_jobs=0: allowed is 1 or more"),
        ("x=1,2 hydra.sweeper.objectives={loss:up}", "hydra.sweeper.objectives: loss=up: allowed are maximize and"),
        ("x=1,2 hydra.sweeper.objectives={}", "hydra.sweeper.objectives={}: name numbers, as in {val.after.top1:max"),
        ("x=1,2 hydra.sweeper.objectives=loss", "hydra.sweeper.objectives=loss: name numbers, as in"),
        ("x=1,2 hydra.sweeper.objectives={test.after.top1:maximize}", "hydra.sweeper.objectives: test.after.top1: no"),
        ("x=1,2 hydra.sweeper.sampler=grid", "sampler=grid: no such sampler"),
    ],
)
def test_a_bad_sweep_ends_before_anything_runs(app: App, line: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        app(*line.split())
    assert str(caught.value).startswith(sentence)
    assert app.jobs == []
    assert sorted(path.name for path in app.folder.iterdir()) == ["config.yaml"]


def test_a_study_of_something_else_is_not_continued(app: App) -> None:
    known = ["hydra.sweeper.study=mine", "hydra.sweeper.trials=1"]
    app(*known, LOSS, "x=interval(0,1)")
    with pytest.raises(
        UserError, match=r"mine exists and is of another objectives: give this one another hydra\.sweeper\.study,"
    ):
        app(*known, "hydra.sweeper.objectives={size:minimize}", "x=interval(0,1)")
    with pytest.raises(UserError, match="mine exists and is of another fixed overrides, ranges: "):
        app(*known, LOSS, "x=interval(0,2)", "n=2")
