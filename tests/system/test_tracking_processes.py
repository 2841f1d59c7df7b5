"""Several processes at one store: a fresh database, and a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis import records
from pruneexp import schema
from pruneexp.tracking import Tracker, default_uri
from tests.contracts.records import curve_of, digest, log_point, point, points, runs
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


MACHINE = """
import sys, time
from pathlib import Path
from tests.contracts.records import CURVE, Job, digest
from pruneexp.tracking import Parent

address, here, name, total = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
job = Job(here, "shared", uri=address)
for number in range(4):
    (here / f"{name}-{number}").touch()
    while len(list(here.glob(f"*-{number}"))) < total:
        time.sleep(0.001)
    curve = job.begin(Parent("curve", digest(f"curve {number}"), "a curve", CURVE, {}, "", {}))
    for budget in range(3):
        job.point(curve, f"p {number} {budget}")
    job.recording.close(curve, "FINISHED")
assert job.place.records() == 0
"""


@pytest.mark.slow
def test_machines_that_share_a_result_store_leave_one_run_of_each_thing(tmp_path: Path) -> None:
    names, started = ["north", "south", "east"], []
    with tracking_server(tmp_path) as server:
        for name in names:
            own = tmp_path / name
            own.mkdir()
            environment = {**os.environ, "TMPDIR": str(own), "PYTHONPATH": str(Path(__file__).parents[2])}
            command = [sys.executable, "-c", MACHINE, server.address, str(tmp_path), name, str(len(names))]
            started.append(subprocess.Popen(command, cwd=own, env=environment, stderr=subprocess.PIPE, text=True))
        said = [machine.communicate()[1] for machine in started]
        assert [machine.returncode for machine in started] == [0, 0, 0], said
        tracker = Tracker(server.address, "shared")
        found, curves = points(tracker), runs(tracker, f"tags.`{schema.KIND}` = 'curve'")
    expected = sorted(digest(f"p {number} {budget}") for number in range(4) for budget in range(3))
    assert sorted(run.data.tags[schema.POINT_KEY] for run in found) == expected
    assert {run.info.status for run in (*found, *curves)} == {"FINISHED"}
    assert sorted(run.data.tags[schema.CURVE_KEY] for run in curves) == sorted(
        digest(f"curve {number}") for number in range(4)
    )
    assert {run.data.tags["mlflow.parentRunId"] for run in found} <= {run.info.run_id for run in curves}


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
        copied = [records.points(address, ["remote"], tmp_path / "copies") for _ in range(2)]
        assert copied == [records.points(address, ["remote"])] * 2
        assert copied[0].records["run_id"].to_pylist() == [run.info.run_id]
