"""A PostgreSQL server on this machine; nothing of it outlives its block."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contracts.ports import free_port


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


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a server of our own, without the name of a database."""
    # Not below pytest's folder: that is closed to other users, and too long a path for a socket.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        data, log = f"{folder}/data", f"{folder}/log"
        run(binary("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
        port = free_port()
        options = f"-h 127.0.0.1 -p {port} -k {folder} -F"
        run(binary("pg_ctl"), "-D", data, "-l", log, "-o", options, "-w", "start")
        try:
            yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
        finally:
            run(binary("pg_ctl"), "-D", data, "-m", "fast", "-w", "stop")


def database(server: str, name: str) -> str:
    """The URL of a fresh database."""
    import psycopg

    with psycopg.connect(f"{server.replace('+psycopg', '')}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return f"{server}/{name}"
