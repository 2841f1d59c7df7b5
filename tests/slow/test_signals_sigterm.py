"""SIGTERM ends a command where nothing is lost: the same command goes on to the same numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.commands import started, until
from tests.contracts.composing import SMALL
from tests.contracts.jobs import numbers, ran, runs

pytestmark = pytest.mark.slow


def test_sigterm_ends_a_job_with_a_checkpoint_a_killed_curve_and_143(tmp_path: Path) -> None:
    long = ("train.epochs=300", "runtime.checkpoint_seconds=3600")
    ran(tmp_path / "whole", *long)
    folder = tmp_path / "broken"
    folder.mkdir()
    with started(folder, *SMALL, *long) as process:
        until(lambda: any(folder.glob("store/locks/*.lock")), "it trains", process)
        process.terminate()
        _, said = process.communicate()
    assert process.returncode == 143
    assert said == "pruneexp: told to leave by SIGTERM; all is saved, and the same command goes on here\n"
    assert [run.info.status for run in runs(folder, "curve")] == ["KILLED"]
    assert len(list(folder.glob("store/work/*/*/manifest.json"))) == 1
    ran(folder, *long)
    assert numbers(folder) == numbers(tmp_path / "whole")


def test_sigterm_ends_a_search_likewise(tmp_path: Path) -> None:
    search = ("study=layer_thresholds", *SMALL, "study.trials=6", "study.finalists=2")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    with started(whole, *search, program="sweeps") as process:
        _, said = process.communicate()
        assert process.returncode == 0, said
    with started(broken, *search, program="sweeps") as process:
        until(lambda: any(broken.glob("store/records/*/paid/study-*.json")), "the search is recorded", process)
        process.terminate()
        _, said = process.communicate()
    assert process.returncode == 143
    assert said == "sweeps: told to leave by SIGTERM; all is saved, and the same command goes on here\n"
    assert [run.info.status for run in runs(broken, "study")] == ["KILLED"]
    with started(broken, *search, program="sweeps") as process:
        _, said = process.communicate()
        assert process.returncode == 0, said
    assert numbers(broken) == numbers(whole)
