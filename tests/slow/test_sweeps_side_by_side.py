"""Whole commands of one search, killed or at the same moment, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from optuna.trial import TrialState

from tests.contracts.composing import SMALL
from tests.contracts.jobs import runs
from tests.contracts.studies import STUDY, epochs, nested, outcomes, recording, swept, told

pytestmark = pytest.mark.slow


def typed(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sweeps", *SMALL, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def done(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    expected = "waiting for it", "arrived", "lock file"  # the last: one was killed while it wrote to the journal
    assert all(any(words in line for words in expected) for line in err.splitlines()), err
    return out


def test_commands_side_by_side_share_a_study_from_nothing_on(tmp_path: Path) -> None:
    commands = [typed(tmp_path, *STUDY, "study.trials=20") for _ in range(3)]
    said = [done(command) for command in commands]
    assert said[0] == said[1] == said[2]
    assert [(trial.number, trial.state.name) for trial in told(tmp_path)][:20] == [(n, "COMPLETE") for n in range(20)]
    points = nested(tmp_path)
    assert {int(point.data.params["trial"]) for point in points if epochs(point) == 0} == set(range(20))
    assert len({point.data.tags["pruneexp.point_key"] for point in points}) == len(points)
    assert (len(runs(tmp_path, "study")), len(runs(tmp_path, "scan"))) == (1, 1)


def test_a_killed_command_is_gone_on_with_as_if_it_never_was(tmp_path: Path) -> None:
    whole = recording(tmp_path / "whole")
    assert swept(whole, *STUDY, "study.trials=6") == 0
    journal = tmp_path / ".pruneexp" / "studies" / "mine.journal"
    for moment in (1, 3):
        killed = typed(tmp_path, *STUDY, "study.trials=60")
        while not journal.exists() or len(told(tmp_path)) <= moment:
            assert killed.poll() is None
            time.sleep(0.1)
        killed.kill()
        killed.communicate()
        assert [trial for trial in told(tmp_path) if trial.state == TrialState.RUNNING]
    done(typed(tmp_path, *STUDY, "study.trials=6"))
    assert outcomes(told(tmp_path))[:6] == outcomes(told(whole))
    assert len({point.data.tags["pruneexp.point_key"] for point in nested(tmp_path)}) == len(nested(tmp_path))
