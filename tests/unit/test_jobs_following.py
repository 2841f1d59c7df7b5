"""What a sweep says of its jobs while they run: a line each, their sentences once, and in a terminal those that run."""

from __future__ import annotations

import io
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from rich.console import Console

from pruneexp.jobs import following as following_module
from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.following import Follower, following
from pruneexp.jobs.lines import ended, labels, notes
from pruneexp.jobs.state import JobState, job_log, write_state

JOBS = (("model=lenet5", "reg=l1", "seed=0"), ("model=lenet5", "reg=l2", "seed=0"), ("model=lenet5", "seed=1"))


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    folder = SweepFolder(tmp_path, "mine")
    folder.claim(JOBS)
    return folder


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        (JOBS, ["l1 · seed 0", "l2 · seed 0", "seed 1"]),
        ((("train.lr=0.1", "a=1"), ("train.lr=0.2", "a=1")), ["lr 0.1", "lr 0.2"]),
        ((("train.epochs=1", "retrain.epochs=2"), ("train.epochs=2",)), ["train.epochs 1 · retrain.epochs 2",
                                                                        "train.epochs 2"]),
        ((("reg=none", "dropout=none"), ("reg=l1",)), ["reg none · dropout none", "l1"]),
        ((("++runtime.tags={a: 1}", "curve.densities=[0.5]"), ()), ["tags {a: 1} · densities [0.5]", ""]),
        ((("experiment=han2015/alexnet",),), [""]),
    ],
)  # fmt: skip
def test_only_what_differs_tells_jobs_apart(jobs: tuple[tuple[str, ...], ...], expected: list[str]) -> None:
    if len(jobs) == 1:
        expected = ["han2015/alexnet"]  # alone, everything that was asked for does
    assert labels(jobs) == expected


def test_the_line_of_a_job_that_has_ended() -> None:
    done = JobState(state="done", points=9, done=9, started=100.0, updated=114.4)
    assert ended(3, 12, "l2 · seed 0", done, "a.log") == "job 3/12 · l2 · seed 0 · 9 points · 14 s"
    one = JobState(state="done", points=1, done=1, started=100.0, updated=400.0)
    assert ended(1, 1, "", one, "a.log") == "job 1/1 · 1 point · 5 min"
    failed = JobState(state="failed", started=100.0, updated=103.0, reason="Training diverged")
    assert ended(2, 2, "l1", failed, "a.log") == "job 2/2 · l1 · failed after 3 s: Training diverged (log: a.log)"
    stopped = JobState(state="stopped", started=100.0, updated=103.0, reason="interrupted")
    assert ended(2, 2, "l1", stopped, "a.log") == "job 2/2 · l1 · stopped after 3 s: interrupted"


def test_notes_are_the_sentences_that_the_line_does_not_tell() -> None:
    said = "pruneexp: the server is away\n budget  density\npruneexp: the server is away\npruneexp: broken: why\n"
    assert notes(said, []) == ["pruneexp: the server is away", "pruneexp: broken: why"]
    assert notes(said, ["broken"]) == ["pruneexp: the server is away"]


def test_jobs_are_told_of_as_they_end_and_their_sentences_once(folder: SweepFolder) -> None:
    folder.log(0).write_text("pruneexp: said by an earlier command\n")
    write_state(folder, 2, JobState(state="done", points=2, done=2))
    out, err = io.StringIO(), io.StringIO()
    follower = Follower(folder, out, err)
    follower.look()
    assert (out.getvalue(), err.getvalue()) == ("", "")
    for number in (0, 1):
        with folder.log(number).open("a") as log:
            log.write("the plan\npruneexp: the server is away\n")
    with job_log(folder.root, "mine", 0):
        follower.look()
        assert (out.getvalue(), err.getvalue()) == ("", "pruneexp: the server is away\n")
    follower.look()
    assert out.getvalue() == "job 2/3 · l1 · seed 0 · 0 points · 0 s\n"
    with pytest.raises(ValueError, match="broken"), job_log(folder.root, "mine", 1):
        raise ValueError("broken")
    follower.look()
    follower.look()
    assert out.getvalue().splitlines()[1:] == [
        f"job 3/3 · l2 · seed 0 · failed after 0 s: ValueError: broken (log: {folder.log(1)})"
    ]
    assert err.getvalue() == "pruneexp: the server is away\n"


@pytest.mark.parametrize(("terminal", "live", "expected"), [(False, True, 0), (True, False, 0), (True, True, 1)])
def test_jobs_that_run_are_shown_in_a_terminal_only(
    terminal: bool, live: bool, expected: int, folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following_module, "EVERY", 0.01)
    screen, out = io.StringIO(), io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=40, highlight=False)
    monkeypatch.setattr(following_module, "Console", lambda **_: console)
    monkeypatch.setattr(sys, "stdout", out)
    with following(folder, live=live), ExitStack() as running:
        running.enter_context(job_log(folder.root, "mine", 0))
        deadline = time.monotonic() + 60
        while expected and "1 running" not in screen.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert ("job 0, l1 · seed 0: 0" in screen.getvalue().replace("\n", " ")) is bool(expected)
    assert out.getvalue() == "job 1/3 · l1 · seed 0 · 0 points · 0 s\n"
