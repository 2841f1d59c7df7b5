"""Jobs side by side in processes of joblib's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.artifacts import load_text

from pruneexp import schema
from tests.contracts.composing import SMALL
from tests.contracts.jobs import runs

pytestmark = pytest.mark.slow


def test_two_jobs_at_once_have_the_cores_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    command = [sys.executable, "-m", "pruneexp", "-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2", *SMALL]
    command += ["reg=l1,l2", f"runtime.store={tmp_path}/store", f"runtime.tracking_uri=sqlite:///{tmp_path}/mlflow.db"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pruneexp: 2 jobs at a time, " in done.stderr
    cores = done.stderr.partition("2 jobs at a time, ")[2].split()[0]
    assert done.stdout.count("  threads   1\n") >= 2  # a small network, however many cores there are
    found = runs(tmp_path)
    assert len(found) == 4
    curve = runs(tmp_path, "curve")[0]
    config = load_text(f"{curve.info.artifact_uri}/{schema.CONFIG_FILE}")
    assert f"  cores: {cores}\n" in config
