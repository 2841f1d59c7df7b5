"""Small jobs side by side on this machine, each in a process of its own with one thread: unasked, and as asked."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.artifacts import load_text

from pruneexp import schema
from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.progress import progress
from tests.contracts.commands import PATIENCE, remaining, started, until
from tests.contracts.composing import SMALL
from tests.contracts.jobs import numbers, ran, runs
from tests.contracts.sweeping import SWEEPS

pytestmark = pytest.mark.slow


def unasked() -> dict[str, str]:
    """The environment of a user who says nothing of threads, on a machine of two cores."""
    known = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return {**known, "LOKY_MAX_CPU_COUNT": "2", "PYTHONPATH": str(Path(__file__).parents[2])}


def swept(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    command = [sys.executable, "-m", "pruneexp", "-m", *SMALL, "seed=0,1", "reg=l1,l2", *words]
    command += [f"runtime.store={folder}/store", f"runtime.tracking_uri=sqlite:///{folder}/mlflow.db"]
    done = subprocess.run(command, cwd=folder, env=unasked(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def rows(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Those of the table of points, which begin with the seed."""
    return re.findall(r"^ +[01] .*$", done.stdout, re.M)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="jobs run side by side on two cores or more")
def test_small_jobs_run_side_by_side_unasked_to_the_same_bits(tmp_path: Path) -> None:
    unasked_for, alone = swept(tmp_path / "unasked"), swept(tmp_path / "alone", "hydra/launcher=basic")
    joblib = swept(tmp_path / "joblib", "hydra/launcher=joblib")
    assert "pruneexp: 2 jobs at a time, 1 core each" in unasked_for.stderr
    assert "2 jobs at a time" in unasked_for.stdout
    assert "at a time" not in alone.stdout + alone.stderr
    for done in (unasked_for, alone, joblib):
        lines = [line for line in done.stdout.splitlines() if line.startswith("job ")]
        assert [line.split(" · ")[0] for line in lines] == [f"job {number}/4" for number in (1, 2, 3, 4)]
        assert len(re.findall(r"^job \d/4 · seed [01] · l[12] · 2 points · \d+ s$", done.stdout, re.M)) == 4
        assert done.stdout.count(" budget ") == 1  # one table, and no plan or table of a job
        assert done.stdout.count(" threads ") == 1
    tables = [rows(done) for done in (unasked_for, alone, joblib)]
    assert tables[0] == tables[1] == tables[2] != []
    assert numbers(tmp_path / "unasked") == numbers(tmp_path / "alone") == numbers(tmp_path / "joblib")
    curve = runs(tmp_path / "unasked", "curve")[0]
    assert "  cores: 1\n" in load_text(f"{curve.info.artifact_uri}/{schema.CONFIG_FILE}")
    again = subprocess.run(
        [sys.executable, "-m", "pruneexp", "-m", *SMALL, "seed=0,1", "reg=l1,l2",
         f"runtime.store={tmp_path}/alone/store", f"runtime.tracking_uri=sqlite:///{tmp_path}/alone/mlflow.db"],
        cwd=tmp_path / "alone", env=unasked(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert rows(again) == tables[0]
    assert "at a time" not in again.stdout + again.stderr


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_command_that_is_told_to_leave_takes_its_jobs_with_it(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    long = ("train.epochs=2000", "runtime.checkpoint_seconds=3600", "runtime.sweep=mine")
    words = ("-m", *SMALL, *long, "seed=0,1,2", "hydra.launcher.n_jobs=2")
    folder = SweepFolder(tmp_path / SWEEPS, "mine")

    def train() -> bool:
        if not folder.definition.exists():
            return False
        found = progress(folder)
        return sum(found.states[job].epoch > 0 for job in found.numbers("running")) == 2

    with started(tmp_path, *words) as sweep:
        until(train, "two jobs train", sweep)
        sweep.send_signal(number)  # to the command alone
        _, said = sweep.communicate(timeout=PATIENCE)
        until(lambda: remaining(sweep) == [], "its jobs have left")
    assert sweep.returncode == status, said
    assert "Traceback" not in said
    assert progress(folder).counts == {"stopped": 2, "waiting": 1}
    assert len(list(tmp_path.glob("store/work/*/*/manifest.json"))) == 2  # where either was
    assert {run.info.status for run in runs(tmp_path, "curve")} == {"KILLED"}
    with started(tmp_path, *words) as sweep:
        _, said = sweep.communicate(timeout=PATIENCE * 2)
    assert sweep.returncode == 0, said
    ran(tmp_path / "whole", *long[:1], "seed=1")
    one = numbers(tmp_path / "whole")
    assert len(one) == 2
    assert one.items() <= numbers(tmp_path).items()
