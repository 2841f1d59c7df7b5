"""What a machine does to a sweep: a disk that is full, a clock that goes back, two sweeps at once, a hand on Ctrl-C."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pruneexp.cache import bundle
from tests.contracts.composing import SMALL
from tests.contracts.jobs import numbers, ran, runs, summaries
from tests.contracts.records import fresh_store
from tests.contracts.sweeping import SMALL as SWEEP_OF_SMALL

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
THREE = "curve.densities=[0.5,0.3,0.1]"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    fresh_store(folder)
    ran(folder, THREE)
    return folder


def read_all(store: Path) -> None:
    """Read every result of a store; fails where one is damaged."""
    for path in (store / "artefacts").glob("*/*"):
        bundle.read(path, path.name)


@contextmanager
def begun(
    folder: Path, *arguments: str, program: str = "", limit: int | None = None, module: str = "pruneexp"
) -> Iterator[subprocess.Popen[str]]:
    """``python -m MODULE ARGUMENTS`` in a folder; ``program`` is run before it in the same process."""

    def prepared() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # also where the tests run in the background
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    start = f"{program}\nimport sys\nfrom {module}.__main__ import main\nsys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", start, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepared,  # noqa: PLW1509
    ) as process:
        yield process


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=300)
    return process.returncode, said


# --- a full disk ------------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[bool]:
    """A file system of its own in the folder; whether this user may make one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_full_in_the_middle_of_an_artefact(tmp_path: Path, whole: Path) -> None:
    fresh_store(tmp_path)
    disk, typed = tmp_path / "disk", (*SMALL, THREE, "runtime.store=disk/store")
    with small_disk(disk, "900k") as small:
        # Who may not mount gets the same refusal from a limit on the size of a file; 300 kB hold no dense network.
        with begun(tmp_path, *typed, limit=None if small else 300_000) as process:
            status, said = ended(process)
        assert status == 2, said
        assert f"The result store {disk}/store cannot be used: " in said
        assert "free some space there or choose another one with runtime.store=FOLDER, and start again" in said
        assert "Traceback" not in said
        assert not any((disk / "store" / "tmp").iterdir())
        read_all(disk / "store")
        before = len(list((disk / "store" / "artefacts").glob("*/*")))
        assert before > 0 or not small
        if small:
            subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        with begun(tmp_path, *typed) as process:
            status, said = ended(process)
        assert status == 0, said
        assert numbers(tmp_path) == numbers(whole)
        assert [run.info.status for run in runs(tmp_path)] == ["FINISHED"] * 3


# --- a clock that goes back -------------------------------------------------------------------------------------------


def test_a_clock_that_goes_back_all_the_time_changes_no_number_and_no_order(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh_store(tmp_path)
    told = time.time()

    def backwards() -> float:
        nonlocal told
        told -= 1.0
        return told

    with monkeypatch.context() as patch:
        patch.setattr(time, "time", backwards)
        ran(tmp_path, THREE)
    assert numbers(tmp_path) == numbers(whole)
    for run in (*runs(tmp_path), *runs(tmp_path, "curve")):
        assert run.info.status == "FINISHED"
        assert run.info.end_time >= run.info.start_time


# --- two sweeps at once -----------------------------------------------------------------------------------------------


#: Notes the key of every result that is made, in whichever process.
NOTED = """
import os
from pruneexp.cache import files
real = files.publish
def publish(draft, final):
    real(draft, final)
    if "artefacts" in final.parts:
        note = os.open("made", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(note, (final.name + chr(10)).encode())
        os.close(note)
files.publish = publish
"""


def test_two_sweeps_that_overlap_compute_and_record_what_they_share_once(tmp_path: Path) -> None:
    alone, at_once = tmp_path / "alone", tmp_path / "at_once"
    grids = {"0": "0.5, 0.3", "1": "0.5, 0.3, 0.1", "2": "0.3, 0.1"}  # of each seed, what either sweep asks for
    fresh_store(alone)
    for seed, densities in grids.items():
        more = ("train.schedule=constant", "runtime.dashboard=true", f"curve.densities=[{densities}]")
        ran(alone, f"seed={seed}", *more)
    at_once.mkdir()
    for name, seeds, densities in (("a", "1, 0", "0.5, 0.3"), ("b", "1, 2", "0.3, 0.1")):
        product = f"product: {{seed: [{seeds}], curve.densities: [[{densities}]]}}\n"
        (at_once / f"{name}.yaml").write_text(SWEEP_OF_SMALL.replace("curve.densities: [0.5, 0.1], ", "") + product)
    with (  # on a database that is not there yet
        begun(at_once, "a.yaml", program=NOTED, module="sweeps") as one,
        begun(at_once, "b.yaml", program=NOTED, module="sweeps") as other,
    ):
        ends = ended(one), ended(other)
    assert [status for status, _ in ends] == [0, 0], ends
    assert numbers(at_once) == numbers(alone)
    assert [run.info.status for run in runs(at_once)] == ["FINISHED"] * 7
    assert [run.info.status for run in runs(at_once, "curve")] == ["FINISHED"] * 3
    assert summaries(at_once) == summaries(alone)
    made = (at_once / "made").read_text().split()
    assert len(set(made)) == len(made)
    assert set(made) == {path.name for path in (alone / "store/artefacts").glob("*/*")}


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------

#: Makes the third result that is written take long, and its end after an interrupt too; says when each begins.
SLOW_WRITE = """
import time
from pathlib import Path
from pruneexp.cache import files
real, count = files.publish, 0
def take_long(name, key):
    Path(name).write_text(key)
    until = time.monotonic() + 2
    while time.monotonic() < until:
        time.sleep(0.05)
def publish(draft, final):
    global count
    count += "artefacts" in final.parts
    if count == 3:
        try:
            take_long("writing", final.name)
        except KeyboardInterrupt:
            take_long("leaving", final.name)
            raise
    real(draft, final)
files.publish = publish
"""


def written(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait for a file that the process writes soon."""
    deadline = time.monotonic() + 120
    while not path.exists() or not path.read_text():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_the_middle_of_a_write(tmp_path: Path, whole: Path, times: int) -> None:
    fresh_store(tmp_path)
    with begun(tmp_path, *SMALL, THREE, program=SLOW_WRITE) as process:
        for name in ("writing", "leaving")[:times]:
            written(tmp_path / name, process)
            process.send_signal(signal.SIGINT)
        status, said = ended(process)
    if times == 1:
        assert status == 130
        assert said.splitlines()[-1] == "pruneexp: interrupted; the same command goes on where this one stopped"
        assert [run.info.status for run in runs(tmp_path, "curve")] == ["KILLED"]
    else:
        assert status == -signal.SIGINT  # which a shell shows as 130
        assert [run.info.status for run in runs(tmp_path, "curve")] == ["RUNNING"]
    assert "Traceback" not in said
    key = (tmp_path / "writing").read_text()
    assert not (tmp_path / ".pruneexp/store/artefacts" / key[:2] / key).exists()
    read_all(tmp_path / ".pruneexp/store")
    with begun(tmp_path, *SMALL, THREE) as process:
        assert ended(process)[0] == 0
    assert numbers(tmp_path) == numbers(whole)
    assert [run.info.status for run in runs(tmp_path, "curve")] == ["FINISHED"]
