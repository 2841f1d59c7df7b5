"""A sweep whose process or worker is killed: resumed by the same command, and equal to one that was not disturbed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.progress import progress
from tests.contracts.jobs import numbers, runs
from tests.contracts.records import fresh_store
from tests.contracts.sweeping import SMALL, SWEEPS

ROOT = Path(__file__).parents[2]


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sweeps", "mine.yaml", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def prepared(folder: Path) -> Path:
    fresh_store(folder)
    grid = "product: {reg: [l1, l2], seed: [0, 1]}\n"
    (folder / "mine.yaml").write_text(SMALL.replace("epochs: 2", "epochs: 12") + grid)
    return folder


@pytest.mark.slow
def test_a_killed_sweep_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole, broken = prepared(tmp_path / "whole"), prepared(tmp_path / "broken")
    with started(whole) as undisturbed:
        assert undisturbed.wait() == 0
    folder = SweepFolder(broken / SWEEPS, "mine")
    with started(broken, "runtime.checkpoint_seconds=0") as process:
        while not folder.definition.exists() or not progress(folder).numbers("running"):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert progress(folder).counts["lost"] == 1
    with started(broken, "hydra.launcher.n_jobs=2") as process:
        while not progress(folder).points_done:
            time.sleep(0.05)
        job = progress(folder).numbers("running")[0]
        os.kill(json.loads(folder.state(job).read_text())["pid"], signal.SIGKILL)
        _, said = process.communicate()
    assert process.returncode == 1, said
    assert f"pruneexp: job {job}: the process that ran it has ended (SIGKILL)\n" in said
    assert "of 4 jobs 3 done, 1 lost; " in said  # the others went on
    with started(broken) as again:
        assert again.wait() == 0
    assert progress(folder).counts == {"done": 4}
    assert numbers(broken) == numbers(whole)
    assert len(runs(broken)) == 8
