"""Commands as processes: several at once on a fresh database, a search, and one that is killed again and again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.contracts.commands import typed
from tests.contracts.composing import SMALL
from tests.contracts.jobs import numbers, ran, runs, summaries

LONGER = ("train.epochs=4", "retrain.epochs=2", "retrain.scope=local", "model=lenet5", "data.image_size=28")


def test_jobs_side_by_side_on_a_fresh_database_lose_nothing(tmp_path: Path) -> None:
    grid = (
        "-m",
        *SMALL,
        "reg=l1,l2",
        "seed=0,1",
        "mode=prune,scratch_e",
        "runtime.threads=1",
        "runtime.dashboard=true",
    )
    at_once, alone = tmp_path / "at_once", tmp_path / "alone"
    for folder, how in (
        (at_once, ("hydra/launcher=joblib", "hydra.launcher.n_jobs=8")),
        (alone, (f"runtime.store={at_once}/.pruneexp/store",)),  # one after the other
    ):
        folder.mkdir()
        done = typed(folder, *grid, *how)
        assert done.returncode == 0, done.stderr
    assert [run.info.status for run in runs(at_once)] == ["FINISHED"] * 16
    assert [run.info.status for run in runs(at_once, "curve")] == ["FINISHED"] * 8
    assert len(numbers(at_once)) == 16
    assert numbers(at_once) == numbers(alone)
    assert len(summaries(at_once)) == 12  # over the seeds of four curves of two points
    assert summaries(at_once) == summaries(alone)


def test_a_hyper_parameter_is_searched_by_the_advertised_command(tmp_path: Path) -> None:
    search = ("hydra/sweeper=optuna", "hydra.sweeper.trials=2", "reg.strength=tag(log,interval(1e-6,1e-3))")
    done = typed(tmp_path, "-m", *search, *SMALL, "runtime.dashboard=true")
    assert done.returncode == 0, done.stderr
    *_, last_line = said = done.stdout.splitlines()
    assert [line for line in said if line.startswith("dashboard http")] == [last_line]  # of the search, not of trials
    (file,) = tmp_path.rglob("optimization_results.yaml")
    found = yaml.safe_load(file.read_text())
    assert found["completed"] == 2
    last = {run.data.params["reg_strength"]: run for run in runs(tmp_path) if run.data.params["budget.value"] == "0.1"}
    assert len(last) == 2
    assert all(1e-6 <= float(strength) <= 1e-3 for strength in last)
    accuracy = {float(strength): run.data.metrics["val.after.top1"] for strength, run in last.items()}
    best = found["best"][0]
    assert best["values"] == {"val.after.top1": max(accuracy.values())}
    assert accuracy[best["params"]["reg.strength"]] == max(accuracy.values())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_ended_at_random_moments(tmp_path: Path, number: signal.Signals) -> None:
    ran(tmp_path / "whole", *LONGER)
    broken = tmp_path / "broken"
    broken.mkdir()
    command = [
        *(sys.executable, "-m", "pruneexp", *SMALL, *LONGER, "runtime.checkpoint_seconds=0"),
        *(f"runtime.store={broken}/store", f"runtime.tracking_uri=sqlite:///{broken}/mlflow.db"),
    ]
    clock = random.Random(0)
    for _ in range(12):
        with subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  ignored in the background
        ) as process:
            time.sleep(clock.uniform(2, 14))
            process.send_signal(number)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert numbers(broken) == numbers(tmp_path / "whole")
    assert [run.info.status for run in runs(broken)] == ["FINISHED"] * 2
