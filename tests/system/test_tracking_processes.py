"""Several processes at one store: a fresh database, and a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from analysis import records
from pruneexp import schema
from pruneexp.tracking import Tracker, default_uri
from tests.contracts.records import curve_of, log_point, point, points, runs
from tests.contracts.tracking_server import tracking_server

SEVERAL = """
import os, sys
import mlflow.store.tracking.sqlalchemy_store  # once for all
from tests.contracts.records import log_point, curve_of, point
from pruneexp.tracking import Tracker

def work(name):
    tracker = Tracker(sys.argv[1], "fresh")
    shared, own = curve_of(tracker), curve_of(tracker, name)
    for i in range(2):
        log_point(tracker, shared, point(f"shared-{i}"))
        log_point(tracker, own, point(f"{name}-{i}"))
    tracker.update(own, "FINISHED")

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
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tracker = Tracker(uri, "fresh")
    keys = sorted(run.data.tags[schema.POINT_KEY] for run in points(tracker))
    assert keys == sorted(f"{name}-{i}" for name in ["shared", *names] for i in range(2))
    assert {run.info.status for run in points(tracker)} == {"FINISHED"}
    assert len(runs(tracker, f"tags.`{schema.KIND}` = 'curve'")) == 5


def test_a_server_takes_points_and_their_files(tmp_path: Path) -> None:
    with tracking_server(tmp_path) as server:
        address = server.address
        tracker = Tracker(address, "remote")
        curve = curve_of(tracker)
        log_point(tracker, curve, point("p"))
        assert log_point(tracker, curve, point("p")) is None
        (run,) = points(tracker)
        assert schema.unflatten(schema.PointResult, run.data.metrics) == point("p").result
        assert not run.info.artifact_uri.startswith("file:")
        (written,) = tmp_path.rglob(schema.LAYERS_FILE)
        assert [row["layer"] for row in json.loads(written.read_text())] == ["conv1", "fc1"]
        copied = [records.tabled(address, ["remote"], tmp_path / "copies") for _ in range(2)]
        assert copied == [records.tabled(address, ["remote"])] * 2
        assert copied[0].records["run_id"].to_pylist() == [run.info.run_id]
