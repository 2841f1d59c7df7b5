"""Several processes at one store: a fresh database, and a server."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from analysis import load
from pruneexp import schema
from pruneexp.tracking import Tracker, default_uri
from tests.contracts.records import curve_of, fresh_store, point, points, runs

SEVERAL = """
import os, sys
import mlflow.store.tracking.sqlalchemy_store  # once for all
from tests.contracts.records import curve_of, point
from pruneexp.tracking import Tracker

def work(name):
    tracker = Tracker(sys.argv[1], "fresh")
    shared, own = curve_of(tracker), curve_of(tracker, name)
    for i in range(4):
        tracker.log_point(shared, point(f"shared-{i}"))
        tracker.log_point(own, point(f"{name}-{i}"))
    tracker.close_curve(own, "FINISHED")

children = []
for name in sys.argv[2:]:
    child = os.fork()
    if child == 0:
        try:
            work(name)
        except BaseException as error:
            print(name, error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


def test_several_processes_on_a_fresh_database_lose_and_double_nothing(tmp_path: Path) -> None:
    uri, names = default_uri(tmp_path), [f"own{i}" for i in range(4)]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, uri, *names],
        cwd=Path(__file__).parent.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tracker = Tracker(uri, "fresh")
    keys = sorted(run.data.tags[schema.POINT_KEY] for run in points(tracker))
    assert keys == sorted(f"{name}-{i}" for name in ["shared", *names] for i in range(4))
    assert {run.info.status for run in points(tracker)} == {"FINISHED"}
    assert len(runs(tracker, f"tags.`{schema.KIND}` = 'curve'")) == 5


def test_a_server_takes_points_and_their_files(tmp_path: Path) -> None:
    fresh_store(tmp_path)
    with mlflow_server(tmp_path) as address:
        tracker = Tracker(address, "remote")
        curve = curve_of(tracker)
        tracker.log_point(curve, point("p"))
        assert tracker.log_point(curve, point("p")) is None
        (run,) = points(tracker)
        assert schema.unflatten(schema.PointResult, run.data.metrics) == point("p").result
        assert not run.info.artifact_uri.startswith("file:")
        (written,) = tmp_path.rglob(schema.LAYERS_FILE)
        assert [row["layer"] for row in json.loads(written.read_text())] == ["conv1", "fc1"]
        copied = [load.flat_points(address, ["remote"], tmp_path / "copies") for _ in range(2)]
        assert copied == [load.flat_points(address, ["remote"])] * 2
        assert [one.run_id for one in copied[0].records] == [run.info.run_id]


@contextlib.contextmanager
def mlflow_server(folder: Path, records: str | None = None) -> Iterator[str]:
    """Address of a server on the database in ``folder``, or on the one that ``records`` names."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", records or default_uri(folder), "--artifacts-destination", str(folder / "files")]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 180
        while not _healthy(address):
            assert server.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < deadline, (folder / "server.log").read_text()
            time.sleep(0.1)
        yield address
    finally:
        os.killpg(server.pid, 15)
        server.wait(20)


def _healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=1):
            return True
    except OSError:
        return False
