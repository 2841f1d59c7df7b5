"""GPUs shared out among processes: a slot for each, and a wait where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pruneexp.experiment import slots
from pruneexp.experiment.slots import VISIBLE, Slots, devices, narrow

HOLD = """
import os, sys
from pathlib import Path
from pruneexp.experiment import slots

def say(sentence):
    print("waits", flush=True)

shared = slots.Slots(slots.devices(os.environ.get(slots.VISIBLE), 2), 1, Path(sys.argv[1]))
lock = slots.narrow(shared, os.environ, say)
assert "torch" not in sys.modules
print(os.environ[slots.VISIBLE], flush=True)
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
    shared = Slots(("0", "1"), 2, tmp_path / "slots")
    taken = [shared.take(pytest.fail) for _ in range(4)]
    assert [device for device, _ in taken] == ["0", "1", "0", "1"]
    taken[2][1].release()
    assert shared.take(pytest.fail)[0] == "0"


def test_one_who_finds_no_slot_says_so_once_and_waits(tmp_path: Path) -> None:
    shared, said = Slots(("GPU-a/b",), 1, tmp_path), []
    _, lock = shared.take(pytest.fail)

    def say(sentence: str) -> None:
        said.append(sentence)
        lock.release()

    assert shared.take(say, poll=0.0)[0] == "GPU-a/b"
    assert said == [
        "every GPU (GPU-a/b) has its 1 job: waiting for a free one; runtime.gpu_jobs says how many may share a GPU"
    ]


@pytest.mark.parametrize(("there", "each"), [((), 1), (("0",), 0)])
def test_nothing_is_taken_where_there_is_no_gpu_or_nobody_counts(
    there: tuple[str, ...], each: int, tmp_path: Path
) -> None:
    environment = {"OTHER": "1"}
    assert narrow(Slots(there, each, tmp_path / "none"), environment, pytest.fail) is None
    assert environment == {"OTHER": "1"}
    assert not (tmp_path / "none").exists()


def test_capacity_counts_what_an_outer_allocation_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "4,7")
    assert [slots.capacity(each) for each in (0, 1, 3)] == [0, 2, 6]


def test_processes_never_share_a_slot_and_a_killed_one_frees_its(tmp_path: Path) -> None:
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
