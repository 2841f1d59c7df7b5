"""Sweeps on a real Ray cluster of two nodes, which the tests start and stop; one node dies in the middle."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.progress import progress
from tests.contracts.commands import PATIENCE, started, until
from tests.contracts.composing import SMALL
from tests.contracts.jobs import numbers, ran, runs
from tests.contracts.ray_cluster import cluster
from tests.contracts.sweeping import SWEEPS

pytestmark = pytest.mark.slow

ON_RAY = ("-m", "hydra/launcher=ray")
LONG = (*SMALL, "train.epochs=1500", "runtime.checkpoint_seconds=0.5")  # long on a fast machine too


def test_the_jobs_of_a_node_that_dies_run_again_and_nothing_is_lost(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for seed in (0, 1, 2):
        ran(whole, *LONG[len(SMALL) :], "runtime.threads=1", f"seed={seed}")
    broken.mkdir()
    with (
        cluster() as ray,
        started(broken, *ON_RAY, f"hydra.launcher.address={ray.address}", *LONG, "seed=0,1,2") as sweep,
    ):
        until(lambda: len(list(broken.glob("store/work/*/*/manifest.json"))) == 2, "both nodes have saved", sweep)
        assert ray.worker.runs()
        ray.worker.kill()
        _, said = sweep.communicate(timeout=PATIENCE * 3)
    assert sweep.returncode == 0, said
    assert numbers(broken) == numbers(whole)
    assert [run.info.status for run in runs(broken)] == ["FINISHED"] * 6
    assert [run.info.status for run in runs(broken, "curve")] == ["FINISHED"] * 3


def test_ctrl_c_ends_the_jobs_on_every_node_and_the_same_command_completes_them(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for seed in (0, 1):
        ran(whole, *LONG[len(SMALL) :], "runtime.threads=1", f"seed={seed}")
    broken.mkdir()
    folder = SweepFolder(broken / SWEEPS, "mine")
    with cluster() as ray:
        sweep_words = (*ON_RAY, f"hydra.launcher.address={ray.address}", *LONG, "seed=0,1", "runtime.sweep=mine")
        with started(broken, *sweep_words) as sweep:
            until(lambda: len(list(broken.glob("store/work/*/*/manifest.json"))) == 2, "both nodes have saved", sweep)
            os.killpg(sweep.pid, signal.SIGINT)
            _, said = sweep.communicate(timeout=PATIENCE)
        assert sweep.returncode == 130, said
        assert "Traceback" not in said
        until(lambda: not progress(folder).numbers("running"), "no node goes on")
        assert runs(broken) == []
        with started(broken, *sweep_words) as sweep:
            _, said = sweep.communicate(timeout=PATIENCE * 2)
        assert sweep.returncode == 0, said
    assert numbers(broken) == numbers(whole)
    assert [run.info.status for run in runs(broken, "curve")] == ["FINISHED"] * 2


def test_without_an_address_the_jobs_run_on_a_cluster_of_this_machine_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # somebody else's, which Ray would join
    whole, local = tmp_path / "whole", tmp_path / "local"
    for seed in (0, 1):
        ran(whole, "runtime.threads=1", f"seed={seed}")
    local.mkdir()
    with started(local, *ON_RAY, *SMALL, "seed=0,1") as sweep:
        _, said = sweep.communicate(timeout=PATIENCE * 2)
    assert sweep.returncode == 0, said
    assert "pruneexp: 2 jobs are with Ray" in said
    assert numbers(local) == numbers(whole)
    assert [run.info.status for run in runs(local)] == ["FINISHED"] * 4
    assert [run.info.status for run in runs(local, "curve")] == ["FINISHED"] * 2


def test_an_address_where_no_cluster_answers_is_said(tmp_path: Path) -> None:
    with started(tmp_path, *ON_RAY, "hydra.launcher.address=127.0.0.1:1", *SMALL, "seed=0,1") as sweep:
        _, said = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 2
    assert "pruneexp: hydra.launcher.address=127.0.0.1:1: no Ray cluster could be joined: " in said
