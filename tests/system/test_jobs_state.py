"""Where jobs stand: written by them, read by others, told from those that died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pruneexp.errors import JobFailed, UserError
from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.progress import SweepProgress, progress
from pruneexp.jobs.state import JobNotNeeded, JobState, job_log, read_state, write_state, written
from pruneexp.signals import Stopped

DIES = """
import sys, time
from pathlib import Path
from pruneexp.jobs.state import job_log
with job_log(Path(sys.argv[1]), "mine", 0) as report:
    report.asked(3)
    report.point()
    print("working", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    made = SweepFolder(tmp_path, "mine")
    made.claim((("seed=0",), ("seed=1",), ("seed=2",)))
    return made


def test_a_job_says_where_it_is_and_that_it_is_done(folder: SweepFolder) -> None:
    with job_log(folder.root, "mine", 1) as report:
        report.asked(2, 1)
        report.at("dense", 0, 20)
        now = read_state(folder, 1)
        assert (now.state, now.stage, now.epochs, now.points, now.attempt) == ("running", "dense", 20, 2, 1)
        assert now.pid == os.getpid()
        report.point()
        report.point()
    after = read_state(folder, 1)
    assert (after.state, after.done, after.stored, after.stage) == ("done", 2, 1, "")
    assert sorted(path.suffix for path in folder.path.iterdir()) == [".json", ".lock", ".yaml"]  # that of definitions


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (UserError("the disk is full"), "stopped", "the disk is full"),
        (JobFailed("1 of 2 points failed"), "failed", "1 of 2 points failed"),
        (MemoryError(), "failed", "MemoryError"),
        (KeyboardInterrupt(), "stopped", "interrupted"),
        (Stopped(15), "stopped", "told to leave by SIGTERM"),
    ],
)
def test_a_job_says_how_it_ended(folder: SweepFolder, error: BaseException, state: str, reason: str) -> None:
    with pytest.raises(type(error)), job_log(folder.root, "mine", 0):
        raise error
    found = read_state(folder, 0)
    assert (found.state, found.reason) == (state, reason)


def test_a_job_killed_without_a_word_is_lost_and_its_next_attempt_counts(folder: SweepFolder) -> None:
    command = [sys.executable, "-c", DIES, str(folder.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        assert read_state(folder, 0).state == "running"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pruneexp.jobs.state._PATIENCE", 0.1)
            with pytest.raises(JobNotNeeded, match="is run by another process"), job_log(folder.root, "mine", 0):
                pass
        process.send_signal(signal.SIGKILL)
    assert (lost := read_state(folder, 0)).state == "lost"
    assert lost.done == 1
    with job_log(folder.root, "mine", 0):
        assert read_state(folder, 0).attempt == 2
    with pytest.raises(JobNotNeeded, match="has been done meanwhile"), job_log(folder.root, "mine", 0):
        pass


def test_a_job_goes_on_where_its_state_cannot_be_written(folder: SweepFolder) -> None:
    with job_log(folder.root, "mine", 0) as report:
        folder.state(0).unlink()
        folder.state(0).mkdir()
        report.asked(3)
    assert written(folder, 0) == JobState()


@pytest.mark.parametrize("text", ["{", "[]", '{"state": "killed", "attempt": 3}'])
def test_a_state_that_cannot_be_read_is_that_of_a_job_not_begun(folder: SweepFolder, text: str) -> None:
    folder.state(0).write_text(text)
    assert read_state(folder, 0) == JobState()


def test_a_job_of_no_sweep_writes_nothing(tmp_path: Path) -> None:
    with job_log(tmp_path, None, None) as report:
        report.asked(3)
    assert list(tmp_path.iterdir()) == []


def test_a_summary_counts_and_expects(folder: SweepFolder) -> None:
    write_state(folder, 0, JobState(state="done", points=4, done=4, started=100.0, updated=140.0))
    write_state(folder, 1, JobState(state="failed", points=4, done=2, stored=1, started=100.0, updated=110.0))
    write_state(folder, 2, JobState(state="stopped", points=4, done=1, stored=1, started=100.0, updated=900.0))
    found = progress(folder)
    assert (found.points, found.points_done) == (12, 7)
    assert (found.numbers("failed"), found.left) == ([1], [2])
    assert found.seconds_left == 30.0  # three points of 10 s, as five took 50; the failed job is left alone
    assert found.end(900.0) == "30 s of work left, none runs"


def test_no_end_is_invented() -> None:
    jobs = (("seed=0",), ("seed=1",))
    assert SweepProgress("x", jobs, (JobState(points=3), JobState(points=3))).seconds_left is None
    counted = JobState(state="running", points=3, done=2, started=100.0, updated=120.0)
    assert SweepProgress("x", jobs, (counted, JobState(points=3))).seconds_left == 40.0
    assert SweepProgress("x", jobs, (counted, JobState())).seconds_left is None  # nobody has counted its points


def test_a_sweep_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no sweep mine"):
        progress(SweepFolder(tmp_path, "mine"))
