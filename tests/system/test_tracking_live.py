"""Dense trainings are shown while they go on, and whole courses stand on the runs of curves and finished points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pruneexp.cache.store import Artefact
from pruneexp.tracking import Tracker, recording
from pruneexp.tracking.artefacts import of_point
from pruneexp.tracking.projection import Projection
from pruneexp.tracking.stores import Unreachable
from tests.contracts.jobs import ran, runs
from tests.contracts.records import (
    PARENT,
    Job,
    client_of,
    digest,
    fresh_store,
    kept_point,
    points,
    sqlite_file,
)

COURSES = {
    "dense": {"loss": [2.0, 1.0], "val.top1": [80.0, 90.0], "lr": [0.1, 0.0]},
    "retrain": {"loss": [0.5, 0.25, 0.125], "val.top1": [91.0, 92.0, 93.0], "lr": [0.1, 0.05, 0.0]},
}


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(recording, "_SHOWN_EVERY", 0.0)
    monkeypatch.setattr(recording, "_SHARE", 1e9)
    fresh_store(tmp_path)
    return Job(tmp_path)


def shown(job: Job, under: str, epochs: int) -> None:
    for epoch in range(1, epochs + 1):
        job.recording.epoch(under, "dense", epoch, {name: of[epoch - 1] for name, of in COURSES["dense"].items()})


def recorded(job: Job, under: str, name: str) -> None:
    made = kept_point(name)
    job.store.produce(digest(name), "point", lambda _: Artefact({}, of_point(made, {}, COURSES)))
    job.recording.point(under, digest(name), {"tag": "t"})


def history(job: Job, run_id: str, kind: str) -> dict[str, list[tuple[int, float]]]:
    client = client_of(Tracker(job.uri, "first"))
    found = {name: client.get_metric_history(run_id, f"{kind}/{name}") for name in COURSES[kind]}
    return {name: sorted((mark.step, mark.value) for mark in marks) for name, marks in found.items()}


def whole(kind: str) -> dict[str, list[tuple[int, float]]]:
    return {name: list(enumerate(numbers, start=1)) for name, numbers in COURSES[kind].items()}


def test_the_dense_network_is_shown_on_its_curve_and_stands_there_whole(job: Job) -> None:
    curve = job.begin(PARENT)
    shown(job, curve, 1)
    run_id = job.recording.run_of(curve)
    assert run_id is not None
    assert history(job, run_id, "dense")["loss"] == [(1, 2.0)]
    recorded(job, curve, "p")
    for _ in range(2):
        job.recording.close(curve, "FINISHED")
    assert history(job, run_id, "dense") == whole("dense")  # each epoch once


def test_courses_are_in_the_store_and_come_back_with_a_lost_database(job: Job) -> None:
    curve = job.begin(PARENT)
    recorded(job, curve, "p")
    job.recording.close(curve, "FINISHED")
    sqlite_file(Tracker(job.uri, "first")).unlink()
    fresh_store(job.store.root.parent)
    again = Job(job.store.root.parent)
    assert again.recording.write_owed().stuck is None
    (point,) = points(Tracker(job.uri, "first"))
    assert history(again, point.info.run_id, "retrain") == whole("retrain")
    (above,) = client_of(Tracker(job.uri, "first")).search_runs(["1", "2"], "tags.`pruneexp.kind` = 'curve'")
    assert history(again, above.info.run_id, "dense") == whole("dense")


def test_a_training_goes_on_where_mlflow_shows_nothing(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    curve = job.begin(PARENT)

    def gone(*_: object, **__: object) -> str:
        raise Unreachable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(Tracker, "update", gone)
        shown(job, curve, 2)
    recorded(job, curve, "p")
    job.recording.close(curve, "FINISHED")
    assert [run.info.status for run in points(Tracker(job.uri, "first"))] == ["FINISHED"]
    assert history(job, str(job.recording.run_of(curve)), "dense") == whole("dense")


def test_epochs_are_seconds_apart_and_the_first_comes_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seen = [100.0], list[float]()
    monkeypatch.setattr("pruneexp.tracking.recording.time.monotonic", lambda: clock[0])

    def slow(*_: object) -> None:
        seen.append(clock[0])
        clock[0] += 0.3

    monkeypatch.setattr(Projection, "show", slow)
    fresh_store(tmp_path)
    shown_by = Job(tmp_path).recording
    for moment in (100.0, 104.9, 105.0, 106.0, 120.0, 120.4):  # 2 % of the time: not before 15 s have passed
        clock[0] = moment
        shown_by.epoch("curve-x", "dense", 1, {})
    assert seen == [105.0, 120.4]


def test_a_job_leaves_the_courses_of_its_trainings(tmp_path: Path) -> None:
    ran(tmp_path, "train.epochs=3", "retrain.epochs=2", "curve.densities=[0.5,0.2]")
    ran(tmp_path, "train.epochs=3", "mode=scratch_e", "curve.densities=[0.5]")  # its dense network is in the store
    client = client_of(Tracker(f"sqlite:///{tmp_path}/mlflow.db", "pruneexp"))

    def steps(run_id: str, name: str) -> Mapping[int, float]:
        return {mark.step: mark.value for mark in client.get_metric_history(run_id, name)}

    curves = runs(tmp_path, "curve")
    assert len(curves) == 2
    found = [[steps(run.info.run_id, f"dense/{name}") for name in ("loss", "val.top1", "lr")] for run in curves]
    assert found[0] == found[1]
    assert [list(course) for course in found[0]] == [[1, 2, 3]] * 3
    for run in runs(tmp_path):
        kind, epochs = ("scratch", 3) if run.data.params["mode"] == "scratch_e" else ("retrain", 2)
        course = steps(run.info.run_id, f"{kind}/val.top1")
        assert list(course) == list(range(1, epochs + 1))
        assert course[epochs] == run.data.metrics["val.after.top1"]  # of the last epoch, never of the best
        above = client.get_run(run.data.tags["mlflow.parentRunId"]).info.run_id
        assert steps(above, "dense/val.top1")[3] == run.data.metrics["val.dense.top1"]
