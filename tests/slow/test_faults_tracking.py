"""A tracking store that is lost while a sweep runs: a server killed by its pid, a database that somebody else locks."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pruneexp import schema
from pruneexp.experiment.display import Display
from pruneexp.experiment.run import run
from pruneexp.store.__main__ import main as store
from pruneexp.tracking import Parent, Place, recording
from tests.contracts.commands import until
from tests.contracts.composing import SMALL, composed
from tests.contracts.jobs import numbers, ran, runs
from tests.contracts.records import CURVE, ENVIRONMENT, Job, digest, fresh_store
from tests.contracts.tracking_server import Server, tracking_server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
THREE = ("curve.densities=[0.5,0.3,0.1]",)
STORE = Path(".pruneexp/store")
PARENT = Parent("curve", digest("curve"), "a curve", CURVE, {}, "", ENVIRONMENT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    fresh_store(folder)
    ran(folder, *THREE)
    return folder


def test_a_server_killed_in_mid_sweep_gets_every_point_once_it_is_back(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = Display.point_done
    seconds: list[float] = []

    def point_done(self: Display, *arguments: str) -> None:
        shown(self, *arguments)
        if not seconds:
            until(lambda: len(numbers(tmp_path)) == 1 and place.records() == 0, "the first point is recorded")
        seconds.append(time.monotonic())
        server.kill()  # after the first point; nobody is there to be killed after the others

    with tracking_server(tmp_path) as server:
        job = composed(*SMALL, *THREE, f"runtime.tracking_uri={server.address}")
        place = Place(tmp_path / STORE, server.address, "pruneexp")
        with monkeypatch.context() as patch:
            patch.setattr(Display, "point_done", point_done)
            assert run(*job) is not None
        said = capsys.readouterr().err
        assert said.count("The work goes on; its records wait in") == 1
        assert place.records() == 2
        assert seconds[-1] - seconds[0] < 60  # MLflow's own client tries for four minutes, for each request
        assert len(numbers(tmp_path)) == 1
        server.start()
        run(*job)  # the same command again: what waits is delivered first, and nothing is recorded twice
        assert "2 records that waited for http://127.0.0.1" in capsys.readouterr().err
    assert place.records() == 0
    assert numbers(tmp_path) == numbers(whole)
    assert len(runs(tmp_path)) == 3
    assert [curve.info.status for curve in runs(tmp_path, "curve")] == ["FINISHED"]


def command(folder: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_server_that_is_not_there_is_refused_or_waited_for(tmp_path: Path, whole: Path) -> None:
    server = Server(tmp_path)
    typed = (*SMALL, *THREE, f"runtime.tracking_uri={server.address}")
    refused = command(tmp_path, "pruneexp", *typed)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[0].endswith("With runtime.spool=true records wait for it instead.")
    waited = command(tmp_path, "pruneexp", *typed, "runtime.spool=true")
    assert waited.returncode == 1, waited.stderr
    last = waited.stderr.splitlines()[-1]
    assert last.startswith(f"pruneexp: 3 records wait for {server.address}, experiment pruneexp")
    assert last.endswith("python -m pruneexp.store deliver")
    assert command(tmp_path, "pruneexp.store", "deliver").returncode == 1
    server.start()
    try:
        arrived = command(tmp_path, "pruneexp.store", "deliver")
        assert (arrived.returncode, arrived.stdout.rpartition(": ")[2]) == (0, "3 records delivered\n"), arrived.stderr
    finally:
        server.kill()
    assert numbers(tmp_path) == numbers(whole)
    assert [curve.info.status for curve in runs(tmp_path, "curve")] == ["FINISHED"]


LOCKED = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
"""


@contextmanager
def locked(database: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that writes to the database and does not come to an end; a line to it ends it."""
    command = [sys.executable, "-c", LOCKED, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_a_database_that_another_process_locks_for_long_is_written_later(tmp_path: Path) -> None:
    said: list[str] = []
    fresh_store(tmp_path)
    job = Job(tmp_path, "pruneexp", say=said.append)
    curve = job.begin(PARENT)
    with locked(tmp_path / "mlflow.db"):
        began = time.monotonic()
        job.point(curve, "first")
        first, began = time.monotonic() - began, time.monotonic()
        for number in range(50):
            job.point(curve, f"p{number}")
        rest = time.monotonic() - began
    assert "database is locked" in said[0]
    assert len(said) == 1
    assert rest < first  # waited for once, then asked now and then
    assert job.place.records() == 51
    job.recording.close(curve, "FINISHED")
    assert job.place.records() == 0
    expected = {digest(name) for name in ("first", *(f"p{number}" for number in range(50)))}
    assert {run.data.tags[schema.POINT_KEY] for run in runs(tmp_path)} == expected
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


DELIVERING = """
import os, sys
import mlflow.store.tracking.sqlalchemy_store
from pruneexp.store.__main__ import main
children = []
for _ in range(4):
    child = os.fork()
    if not child:
        status = main(["deliver", "--store", sys.argv[1]])
        sys.stdout.flush()  # all lines in one write, which those of others do not interrupt
        os._exit(status)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


def test_several_that_deliver_at_once_deliver_each_record_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh_store(tmp_path)
    said: list[str] = []
    job = Job(tmp_path, "pruneexp", say=said.append)
    curve = job.begin(PARENT)
    with monkeypatch.context() as patch:
        patch.setattr(recording, "answers", lambda _: False)
        job.recording._held = True
        for number in range(20):
            job.point(curve, f"p{number}")
    done = subprocess.run(
        [sys.executable, "-c", DELIVERING, str(job.store.root)],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith("nothing is owed")]
    assert sum(int(line.rpartition(": ")[2].split()[0]) for line in lines) == 20
    keys = [run.data.tags[schema.POINT_KEY] for run in runs(tmp_path)]
    assert sorted(keys) == sorted(digest(f"p{number}") for number in range(20))
    assert store(["deliver", "--store", str(job.store.root)]) == 0
    assert json.dumps(said) == "[]"
