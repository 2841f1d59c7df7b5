"""Workers of one study that share a PostgreSQL server, which the tests start and stop."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contracts.workers import ended, opened, started, told, work_beside

pytestmark = pytest.mark.slow


def binary(name: str) -> str:
    """The path of one of PostgreSQL's programs, which Debian keeps out of PATH."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    found = str(kept[-1]) if kept else shutil.which(name)
    if found is None:
        pytest.fail(f"this test starts a PostgreSQL server, and finds no {name}: apt-get install postgresql")
    return found


def run(*command: str) -> None:
    """Run a program of PostgreSQL's, which refuses to be root."""
    other = ("runuser", "-u", "postgres", "--") if os.getuid() == 0 else ()
    done = subprocess.run([*other, *command], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server of our own, without the name of a database."""
    # Not below pytest's folder: that is closed to other users, and too long a path for a socket.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder, socket.socket() as probe:
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        data, log = f"{folder}/data", f"{folder}/log"
        run(binary("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        options = f"-h 127.0.0.1 -p {port} -k {folder} -F"
        run(binary("pg_ctl"), "-D", data, "-l", log, "-o", options, "-w", "start")
        try:
            yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
        finally:
            run(binary("pg_ctl"), "-D", data, "-m", "fast", "-w", "stop")


@pytest.fixture
def database(server: str, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Makes fresh databases."""
    import psycopg

    def made(name: str) -> str:
        with psycopg.connect(f"{server.replace('+psycopg', '')}/postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return f"{server}/{name}"

    return made


def numbers(where: str, total: int) -> list[tuple[int, str]]:
    return [(number, state) for number, state, _, _ in told(opened(where)) if number < total]


@pytest.mark.parametrize("attempt", range(3))  # tables are made at the same moment, and luck may hide what that does
def test_four_at_a_fresh_database_lose_and_double_nothing(
    database: Callable[[str], str], attempt: int, tmp_path: Path
) -> None:
    where, log = database(f"fresh{attempt}"), tmp_path / "evaluated"
    processes = [started(work_beside, 3, where, 40, log) for _ in range(4)]
    assert [ended(process) for process in processes] == [0] * 4
    assert numbers(where, 40) == [(number, "COMPLETE") for number in range(40)]
    assert sorted(map(int, log.read_text().split())) == list(range(40))


def test_the_trial_of_one_that_is_killed_is_evaluated_by_another(
    database: Callable[[str], str], tmp_path: Path
) -> None:
    where, log = database("killed"), tmp_path / "evaluated"
    (tmp_path / "kill").touch()
    processes = [started(work_beside, 3, where, 40, log) for _ in range(4)]
    assert sorted(str(ended(process)) for process in processes) == ["-9", "0", "0", "0"]
    assert numbers(where, 40) == [(number, "COMPLETE") for number in range(40)]
    evaluated = list(map(int, log.read_text().split()))
    assert set(evaluated) == set(range(40))
    assert 41 <= len(evaluated) <= 43  # one of them twice, or by each who sees at the same moment that it is needed
