"""``python -m pruneexp.status``: what it shows of jobs in every state, how long it looks on, and its exit status."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from pruneexp.jobs import progress as looking
from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.progress import SweepProgress, detail, overview, progress
from pruneexp.jobs.state import JobState, job_log, write_state
from pruneexp.status import main

#: Noon, wherever the test runs.
NOON = time.mktime((2026, 3, 1, 12, 0, 0, 0, 0, -1))

DONE = JobState(state="done", attempt=1, points=4, done=4, started=NOON - 600, updated=NOON - 360)
RUNNING = JobState(
    state="running", attempt=2, host="node1", pid=77, points=4, done=1, stored=1, stage="retrain", epoch=3, epochs=20,
    started=NOON - 120,
)  # fmt: skip
FAILED = JobState(
    state="failed", attempt=1, host="node1", pid=78, points=4, done=2, stored=2, reason="MemoryError: [too] large"
)
LOST = JobState(
    state="lost", attempt=3, host="node2", pid=7, points=4, started=NOON - 60, updated=NOON, reason="its process ended"
)
STOPPED = JobState(state="stopped", attempt=1, host="node1", pid=79, points=4, reason="interrupted")
WAITING = JobState(points=4)


def sweep(*states: JobState) -> SweepProgress:
    return SweepProgress("mine", tuple((f"seed={n}", "reg=l1") for n in range(len(states))), states)


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_one_sweep_is_shown_with_who_runs_what_and_what_failed_why() -> None:
    shown = detail(sweep(DONE, RUNNING, FAILED, LOST, STOPPED, WAITING), NOON).plain
    assert [" ".join(line.split()) for line in shown.splitlines()] == [
        "sweep mine",
        "jobs 6 asked, 1 done, 1 failed, 1 lost, 1 stopped, 1 running, 1 waiting",
        "points 7 of 24 done",
        "ends about 12:15, in 15 min",  # 3 + 4 + 4 + 4 points of a minute; the failed job is left alone
        "failed job 2, seed 2: 2 of 4 points, 0 s, node1 (78), MemoryError: [too] large",
        "lost job 3, seed 3: 0 of 4 points, 60 s, attempt 3, node2 (7), its process ended",
        "stopped job 4, seed 4: 0 of 4 points, 0 s, node1 (79), interrupted",
        "running job 1, seed 1: 1 of 4 points, 2 min, attempt 2, node1 (77), retrain, epoch 3 of 20",
    ]


def test_sweeps_are_listed_one_per_line() -> None:
    screen = io.StringIO()
    overview([sweep(DONE, RUNNING, STOPPED, WAITING), sweep(DONE)], NOON, Console(file=screen, width=20))
    assert [" ".join(line.split()) for line in screen.getvalue().splitlines()] == [
        "sweep jobs done running failed lost left points ends",
        "mine 4 1 1 0 0 2 5 of 16 about 12:11, in 11 min",
        "mine 1 1 0 0 0 0 4 of 4 done",
    ]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((DONE, DONE), "done"),
        ((DONE, FAILED), "ended"),
        ((RUNNING, WAITING), "unknown"),  # nothing was computed yet
        ((DONE, WAITING), "4 min of work left, none runs"),
        ((DONE, replace(WAITING, points=1)), "60 s of work left, none runs"),
        ((DONE, RUNNING, RUNNING), "about 12:03, in 3 min"),  # two at a time
        ((DONE, replace(RUNNING, points=901)), "about Mar 02 03:00, in 15.0 h"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_end_is_estimated_from_what_points_took(states: tuple[JobState, ...], expected: str) -> None:
    assert sweep(*states).end(NOON) == expected


# --- looking on -------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    made = SweepFolder(tmp_path, "mine")
    made.claim((("seed=0",), ("seed=1",)))
    return made


class Clock:
    """Stands still but where somebody sleeps, and then calls ``meanwhile`` with the seconds since the beginning."""

    def __init__(self, meanwhile: Callable[[float], object] = lambda now: None) -> None:
        self.now, self.meanwhile = 0.0, meanwhile

    def time(self) -> float:
        return NOON + self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile(self.now)


def watched(folder: SweepFolder) -> str:
    screen = io.StringIO()
    looking.watch(folder, Console(file=screen, force_terminal=True, width=120, highlight=False))
    return screen.getvalue()


def test_a_sweep_is_watched_until_everything_is_done(folder: SweepFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(lambda now: write_state(folder, int(now) - 1, DONE))
    monkeypatch.setattr(looking, "time", clock)
    screen = watched(folder)
    for line in ("2 asked, 0 done, 2 waiting", "2 asked, 1 done, 1 waiting", "2 asked, 2 done"):
        assert line in screen
    assert clock.now == 2 * looking.EVERY


def test_a_sweep_is_left_some_time_after_its_last_job_has_run(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as running:
        clock = Clock(lambda now: running.close() if now == 100 else None)
        monkeypatch.setattr(looking, "time", clock)
        running.enter_context(job_log(folder.root, "mine", 0))
        screen = watched(folder)
    assert "0 done, 1 running, 1 waiting" in screen
    assert "1 done, 1 waiting" in screen
    assert clock.now == 99 + looking.IDLE  # it was last seen running a second before its end


# --- exit status ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (DONE, DONE, 0),
        (DONE, FAILED, 1),
        (DONE, WAITING, 1),
        (DONE, STOPPED, 1),
        (DONE, RUNNING, 1),  # it says that it runs, and nobody holds its lock: lost
    ],
    ids=["done", "failed", "waiting", "stopped", "lost"],
)
def test_the_status_says_whether_something_is_left_that_nobody_runs(
    folder: SweepFolder,
    first: JobState,
    second: JobState,
    status: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(looking, "time", Clock())
    for number, state in enumerate((first, second)):
        write_state(folder, number, state)
    where = ["--sweeps", str(folder.root)]
    assert main(["mine", *where]) == main([*where]) == main(["mine", "--watch", *where]) == status
    assert capsys.readouterr().out.count("mine") >= 3


def test_a_sweep_that_cannot_be_read_hides_no_other(folder: SweepFolder, capsys: pytest.CaptureFixture[str]) -> None:
    other = SweepFolder(folder.root, "other")
    other.claim((("seed=0",),))
    other.definition.write_text("{}")
    assert main(["--sweeps", str(folder.root)]) == 2
    said = capsys.readouterr()
    assert "mine" in said.out
    assert str(other.definition) in said.err


def test_what_is_under_way_is_no_failure(folder: SweepFolder) -> None:
    write_state(folder, 1, WAITING)
    with job_log(folder.root, "mine", 0):
        assert not progress(folder).stuck
        assert main(["mine", "--sweeps", str(folder.root)]) == 0
        write_state(folder, 1, FAILED)
        assert main(["mine", "--sweeps", str(folder.root)]) == 1
    assert progress(folder).stuck
