"""A real ``mlflow server`` on one port, that can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pruneexp.tracking import default_uri
from tests.contracts.ports import free_port
from tests.contracts.records import fresh_store

_SECONDS = 180.0


class Server:
    """Keeps its files in a folder, and its records there or in the database that is named; for this machine only."""

    def __init__(self, folder: Path, records: str | None = None) -> None:
        self._folder, self._port = folder, free_port()
        self._records = records or default_uri(folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def process(self) -> int | None:
        """The process that has started all others of it; None where it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Return when it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--workers", "1", "--backend-store-uri", self._records]
        command += ["--artifacts-destination", str(self._folder / "files")]
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self._folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "server.log").read_text()
            assert time.monotonic() < deadline, (self._folder / "server.log").read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL to it and its workers; returns when nobody listens any more."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # all of them have ended by themselves
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=1):
                return True
        except OSError:
            return False


@contextmanager
def tracking_server(folder: Path, records: str | None = None) -> Iterator[Server]:
    """A server that answers; with a fresh database in the folder unless ``records`` names one, or one lies there."""
    if records is None and not (folder / "mlflow.db").exists():
        fresh_store(folder)
    server = Server(folder, records)
    try:
        server.start()
        yield server
    finally:
        server.kill()
