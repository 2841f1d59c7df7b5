"""Where jobs stand: written by them, read by others, told from those that died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pruneexp.errors import JobFailed, UserError
from pruneexp.jobs.definition import Definition, claim
from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.report import Taken, reporting
from pruneexp.jobs.state import JobState, read_state, write_state, written
from pruneexp.jobs.summary import Summary, summarise

DIES = """
import sys, time
from pathlib import Path
from pruneexp.jobs.report import reporting
with reporting(Path(sys.argv[1]), "mine", 0) as report:
    report.asked(3)
    report.point(computed=True)
    print("working", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    made = SweepFolder(tmp_path, "mine")
    claim(made, Definition((("seed=0",), ("seed=1",), ("seed=2",))))
    return made


def test_a_job_says_where_it_is_and_that_it_is_done(folder: SweepFolder) -> None:
    with reporting(folder.root, "mine", 1) as report:
        report.asked(2)
        report.at("dense", 0, 20)
        now = read_state(folder, 1)
        assert (now.state, now.stage, now.epochs, now.points, now.attempt) == ("running", "dense", 20, 2, 1)
        assert now.pid == os.getpid()
        report.point(computed=True)
        report.point(computed=False)
    after = read_state(folder, 1)
    assert (after.state, after.done, after.computed, after.stage) == ("done", 2, 1, "")
    assert sorted(path.suffix for path in folder.path.iterdir()) == [".json", ".lock", ".yaml"]  # that of definitions


@pytest.mark.parametrize(
    ("error", "state", "reason", "mendable"),
    [
        (UserError("the disk is full"), "failed", "the disk is full", True),
        (JobFailed("1 of 2 points failed"), "failed", "1 of 2 points failed", False),
        (MemoryError(), "failed", "MemoryError", False),
        (KeyboardInterrupt(), "killed", "interrupted", False),
    ],
)
def test_a_job_says_how_it_ended(
    folder: SweepFolder, error: BaseException, state: str, reason: str, mendable: bool
) -> None:
    with pytest.raises(type(error)), reporting(folder.root, "mine", 0):
        raise error
    found = read_state(folder, 0)
    assert (found.state, found.reason, found.mendable) == (state, reason, mendable)


def test_a_job_killed_without_a_word_is_lost_and_its_next_attempt_counts(folder: SweepFolder) -> None:
    command = [sys.executable, "-c", DIES, str(folder.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        assert read_state(folder, 0).state == "running"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pruneexp.jobs.report._PATIENCE", 0.1)
            with pytest.raises(Taken, match="is run by another process"), reporting(folder.root, "mine", 0):
                pass
        process.send_signal(signal.SIGKILL)
    assert (lost := read_state(folder, 0)).state == "lost"
    assert lost.done == 1
    with reporting(folder.root, "mine", 0):
        assert read_state(folder, 0).attempt == 2
    with pytest.raises(Taken, match="has been done meanwhile"), reporting(folder.root, "mine", 0):
        pass


def test_a_job_goes_on_where_its_state_cannot_be_written(folder: SweepFolder) -> None:
    with reporting(folder.root, "mine", 0) as report:
        folder.state(0).unlink()
        folder.state(0).mkdir()
        report.asked(3)
    assert written(folder, 0) == JobState()


def test_a_job_of_no_sweep_writes_nothing(tmp_path: Path) -> None:
    with reporting(tmp_path, None, None) as report:
        report.asked(3)
    assert list(tmp_path.iterdir()) == []


def test_a_summary_counts_and_expects(folder: SweepFolder) -> None:
    write_state(folder, 0, JobState(state="done", points=4, done=4, computed=4, seconds=40.0))
    write_state(folder, 1, JobState(state="failed", points=4, done=1, computed=1, seconds=10.0, mendable=False))
    write_state(folder, 2, JobState(state="killed", points=4, done=1))
    found = summarise(folder)
    assert (found.points, found.points_done) == (12, 6)
    assert (found.failed, found.resumable) == ([1], [2])
    assert found.seconds_left == 30.0  # three points of 10 s; the failed job is left alone
    assert found.seconds_to_end is None  # nothing runs


def test_no_end_is_invented() -> None:
    jobs = (("seed=0",), ("seed=1",))
    assert Summary("x", jobs, (JobState(points=3), JobState(points=3))).seconds_left is None
    counted = JobState(state="running", points=3, done=2, computed=2, seconds=20)
    assert Summary("x", jobs, (counted, JobState(points=3))).seconds_to_end == 40.0
    assert Summary("x", jobs, (counted, JobState())).seconds_left is None  # nobody has counted its points


def test_a_sweep_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no sweep mine"):
        summarise(SweepFolder(tmp_path, "mine"))
