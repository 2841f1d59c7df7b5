"""Sweeps on a real Slurm cluster, which the tests start and stop; a requeued job goes on where it was."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.commands import PATIENCE, remaining, started, until
from tests.contracts.composing import SMALL
from tests.contracts.jobs import numbers, ran, runs
from tests.contracts.slurm import Cluster, cluster

pytestmark = pytest.mark.slow

#: Dense training takes some seconds, in which a job can be taken by surprise.
#: Long enough, also on a fast machine, for both jobs of two to be met while they train.
EPOCHS = 1500
LONG = (*SMALL, f"train.epochs={EPOCHS}", "runtime.checkpoint_seconds=3600")
ON_SLURM = ("-m", "hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1")


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.mark.parametrize(
    "taken",
    [("scontrol", "requeue"), ("scancel", "--signal=USR2")],  # SIGUSR2: as when the time limit comes near
    ids=["requeued", "time limit"],
)
def test_a_job_that_is_taken_away_saves_goes_on_and_ends_with_the_numbers_of_one_left_alone(
    slurm: Cluster, tmp_path: Path, taken: tuple[str, ...]
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for seed in (0, 1):
        ran(whole, *LONG[len(SMALL) :], "runtime.threads=1", f"seed={seed}")
    broken.mkdir()
    with started(broken, *ON_SLURM, *LONG, "seed=0,1", environment=slurm.environment) as sweep:
        until(lambda: len(list(broken.glob("store/locks/*.lock"))) == 2, "both jobs train", sweep)
        victims = [job for job, state in slurm.jobs().items() if state == "RUNNING"]
        for victim in victims:
            slurm(*taken, victim)
        until(lambda: any(broken.glob("store/work/*/*/manifest.json")), "it has saved", sweep)
        saved = next(broken.glob("store/work/*/*/record.json"))
        (position,) = json.loads(saved.read_text())["points"]  # a stack of one
        _, said = sweep.communicate(timeout=PATIENCE * 4)
    assert sweep.returncode == 0, said
    assert 0 < EPOCHS * position["epoch"] + position["step"] < EPOCHS * EPOCHS
    assert numbers(broken) == numbers(whole)
    assert [run.info.status for run in runs(broken)] == ["FINISHED"] * 4
    assert [run.info.status for run in runs(broken, "curve")] == ["FINISHED"] * 2
    assert [slurm.restarts(job) for job in victims] == [1] * len(victims)
    assert f"as {victims[0].partition('_')[0]}, their logs in .pruneexp/slurm" in said


def test_ctrl_c_takes_the_jobs_back_and_the_same_command_goes_on(slurm: Cluster, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for seed in (0, 1, 2):
        ran(whole, *LONG[len(SMALL) :], "runtime.threads=1", f"seed={seed}")
    broken.mkdir()
    with started(broken, *ON_SLURM, *LONG, "seed=0,1,2", environment=slurm.environment) as sweep:
        until(lambda: len(list(broken.glob("store/locks/*.lock"))) == 2, "two jobs train, one waits", sweep)
        os.killpg(sweep.pid, signal.SIGINT)
        _, said = sweep.communicate(timeout=PATIENCE)
        assert remaining(sweep) == []
    assert sweep.returncode == 130
    assert said.splitlines()[-1] == "pruneexp: interrupted; the same command goes on where this one stopped"
    deadline = time.monotonic() + PATIENCE  # a job that runs has some seconds to save
    while slurm.jobs():
        assert time.monotonic() < deadline, slurm.jobs()
        time.sleep(0.5)
    assert [run.info.status for run in runs(broken, "curve")] == ["KILLED"] * 2
    assert runs(broken) == []
    with started(broken, *ON_SLURM, *LONG, "seed=0,1,2", environment=slurm.environment) as sweep:
        _, said = sweep.communicate(timeout=PATIENCE * 4)
    assert sweep.returncode == 0, said
    assert numbers(broken) == numbers(whole)
    assert [run.info.status for run in runs(broken, "curve")] == ["FINISHED"] * 3


def test_a_cancelled_job_fails_with_a_sentence_and_the_others_are_done(slurm: Cluster, tmp_path: Path) -> None:
    with started(tmp_path, *ON_SLURM, *SMALL, "train.epochs=2,100000", environment=slurm.environment) as sweep:
        until(lambda: any(tmp_path.glob(".pruneexp/slurm/*_0_0_result.pkl")), "the short job is done", sweep)
        left = next(job for job in slurm.jobs() if job.endswith("_1"))
        slurm("scancel", left)
        _, said = sweep.communicate(timeout=PATIENCE * 2)
    assert sweep.returncode == 1
    assert f"pruneexp: job 1: Slurm ended {left} before it was done: cancelled, or killed (log: " in said
    assert [run.info.status for run in runs(tmp_path)] == ["FINISHED"] * 2


def test_a_partition_that_is_not_there_is_said(slurm: Cluster, tmp_path: Path) -> None:
    with started(
        tmp_path, *ON_SLURM, *SMALL, "hydra.launcher.partition=none", "seed=0,1", environment=slurm.environment
    ) as sweep:
        _, said = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 2
    assert said.strip().splitlines()[-1].startswith("pruneexp: hydra/launcher=slurm: the jobs could not be submitted: ")
    assert "Invalid partition" in said
