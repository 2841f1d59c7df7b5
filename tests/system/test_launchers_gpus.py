"""GPUs shared out among processes: a share of one for each, and a wait where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pruneexp.experiment import gpus
from pruneexp.experiment.gpus import VISIBLE, devices, take

HOLD = """
import os, sys, tempfile
from pruneexp.experiment import gpus

tempfile.tempdir = sys.argv[1]
gpus._say = lambda sentence: print("waits", flush=True)
gpus.claim(1)
assert "torch" not in sys.modules
print(os.environ[gpus.VISIBLE], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ("0", "1", "2")),
        ("2,0", ("2", "0")),
        ("GPU-8932f937, GPU-1ab3", ("GPU-8932f937", "GPU-1ab3")),
        ("1,-1,0", ("1",)),
        ("", ()),
        ("-1", ()),
    ],
)
def test_devices_are_those_that_cuda_would_see(visible: str | None, expected: tuple[str, ...]) -> None:
    assert devices(visible, 3) == expected


def test_every_device_gets_its_first_job_before_any_gets_its_second(tmp_path: Path) -> None:
    taken = [take(("0", "1"), 2, tmp_path / "gpus", pytest.fail) for _ in range(4)]
    assert [device for device, _ in taken] == ["0", "1", "0", "1"]
    taken[2][1].release()
    assert take(("0", "1"), 2, tmp_path / "gpus", pytest.fail)[0] == "0"


def test_a_process_that_finds_no_free_gpu_says_so_once_and_waits(tmp_path: Path) -> None:
    said: list[str] = []
    _, lock = take(("GPU-a/b",), 1, tmp_path, pytest.fail)

    def say(sentence: str) -> None:
        said.append(sentence)
        lock.release()

    assert take(("GPU-a/b",), 1, tmp_path, say, poll=0.0)[0] == "GPU-a/b"
    assert said == [
        "every GPU (GPU-a/b) has its 1 job: waiting for a free one; runtime.gpu_jobs says how many may share a GPU"
    ]


@pytest.mark.parametrize(("visible", "jobs"), [("-1", 1), ("0", 0)])
def test_nothing_is_taken_where_there_is_no_gpu_or_nobody_counts(
    visible: str, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VISIBLE, visible)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert gpus.claim.__wrapped__(jobs) is None
    assert os.environ[VISIBLE] == visible
    assert list(tmp_path.iterdir()) == []


def test_capacity_counts_what_an_outer_allocation_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "4,7")
    assert [gpus.capacity(each) for each in (0, 1, 3)] == [0, 2, 6]


def test_processes_never_share_a_share_and_a_killed_one_frees_its(tmp_path: Path) -> None:
    def started() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, str(tmp_path)]
        environment = {"PYTHONPATH": str(Path(__file__).parents[2]), VISIBLE: "5,6"}
        return subprocess.Popen(command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def line(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    first, second = started(), started()
    with first, second:
        held = line(first)
        assert {held, line(second)} == {"5", "6"}
        with started() as third:
            assert line(third) == "waits"
            first.kill()
            assert line(third) == held
            third.communicate()
        second.communicate()
