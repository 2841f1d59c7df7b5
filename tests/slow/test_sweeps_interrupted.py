"""Ctrl-C on a sweep: everything under way stops, nothing stays behind, and the same command completes it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.progress import progress
from tests.contracts.commands import PATIENCE, remaining, started, until
from tests.contracts.composing import SMALL
from tests.contracts.jobs import numbers, ran, runs
from tests.contracts.records import fresh_store
from tests.contracts.sweeping import SWEEPS

pytestmark = pytest.mark.slow

#: Dense training takes some seconds, also on a fast machine, in which a job can be taken by surprise.
LONG = ("train.epochs=2000", "runtime.threads=1")
SEEDS = (0, 1, 2)
SWEEP = ("-m", *SMALL, *LONG, "seed=0,1,2", "runtime.sweep=mine")
SIDE_BY_SIDE = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    fresh_store(folder)
    for seed in SEEDS:
        ran(folder, *LONG, f"seed={seed}")
    return folder


@pytest.mark.parametrize(("launcher", "at_once"), [((), 1), (SIDE_BY_SIDE, 2)], ids=["one by one", "side by side"])
def test_ctrl_c_on_a_sweep(tmp_path: Path, whole: Path, launcher: tuple[str, ...], at_once: int) -> None:
    fresh_store(tmp_path)
    folder = SweepFolder(tmp_path / SWEEPS, "mine")

    def trained() -> bool:
        if not folder.definition.exists():
            return False
        found = progress(folder)
        return sum(found.states[job].epoch > 0 for job in found.numbers("running")) == at_once

    with started(tmp_path, *SWEEP, *launcher) as sweep:
        until(trained, f"{at_once} jobs train", sweep)
        os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does: to the command and all that it has started
        _, said = sweep.communicate(timeout=PATIENCE)
        assert remaining(sweep) == []
    assert sweep.returncode == 130, said
    assert "pruneexp: interrupted; the same command goes on where this one stopped" in said.splitlines()
    assert "Traceback" not in said
    counts = progress(folder).counts
    assert counts["stopped"] + counts["lost"] >= at_once  # a worker may have begun the next before it was ended
    assert counts["stopped"] + counts["lost"] + counts["waiting"] == len(SEEDS)
    assert {run.info.status for run in runs(tmp_path, "curve")} <= {"KILLED", "RUNNING"}
    assert runs(tmp_path) == []
    with started(tmp_path, *SWEEP, *launcher) as sweep:
        _, said = sweep.communicate(timeout=PATIENCE * 2)
    assert sweep.returncode == 0, said
    assert numbers(tmp_path) == numbers(whole)
    assert [run.info.status for run in runs(tmp_path)] == ["FINISHED"] * 6
    assert [run.info.status for run in runs(tmp_path, "curve")] == ["FINISHED"] * 3
