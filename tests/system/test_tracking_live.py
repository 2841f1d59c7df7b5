"""Trainings are shown while they go on, and their whole courses stand on the runs of finished points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pruneexp import schema
from pruneexp.cache.store import Artefact
from pruneexp.tracking import Parent, ShownOn, Tracker, live
from pruneexp.tracking.artefacts import of_point
from pruneexp.tracking.stores import Unreachable
from tests.contracts.jobs import ran, runs
from tests.contracts.records import (
    CURVE,
    ENVIRONMENT,
    Job,
    client_of,
    digest,
    fresh_store,
    kept_point,
    points,
    sqlite_file,
)

PARENT = Parent("curve", digest("curve"), "a curve", CURVE, {"note": "x"}, "model: lenet5\n", ENVIRONMENT)
COURSES = {
    "dense": {"loss": [2.0, 1.0], "val.top1": [80.0, 90.0], "lr": [0.1, 0.0]},
    "retrain": {"loss": [0.5, 0.25, 0.125], "val.top1": [91.0, 92.0, 93.0], "lr": [0.1, 0.05, 0.0]},
}


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setattr(live, "EVERY", 0.0)
    monkeypatch.setattr(live, "_SHARE", 1e9)
    fresh_store(tmp_path)
    return Job(tmp_path)


def shown_on(under: str, name: str) -> ShownOn:
    made = kept_point(name)
    return ShownOn(under, digest(name), schema.flatten(made.identity), {"tag": "t"})


def told(job: Job, on: ShownOn, kind: str, epochs: int) -> None:
    for epoch in range(1, epochs + 1):
        job.recording.epoch(on, kind, epoch, {name: of[epoch - 1] for name, of in COURSES[kind].items()})
        job.recording.wait()


def recorded(job: Job, under: str, name: str) -> None:
    made = kept_point(name)
    job.store.produce(digest(name), "point", lambda _: Artefact({}, of_point(made, {}, COURSES)), [])
    job.recording.point(under, digest(name), {"tag": "t"})
    job.recording.wait()


def history(job: Job, run_id: str, kind: str) -> dict[str, list[tuple[int, float]]]:
    client = client_of(Tracker(job.uri, "first"))
    found = {name: client.get_metric_history(run_id, f"{kind}/{name}") for name in COURSES[kind]}
    return {name: sorted((mark.step, mark.value) for mark in marks) for name, marks in found.items()}


def whole(kind: str) -> dict[str, list[tuple[int, float]]]:
    return {name: list(enumerate(numbers, start=1)) for name, numbers in COURSES[kind].items()}


def statuses(job: Job) -> list[tuple[str, str]]:
    return [(run.info.run_id, run.info.status) for run in points(Tracker(job.uri, "first"))]


def test_a_point_is_seen_while_it_is_trained_and_its_run_becomes_the_record(job: Job) -> None:
    curve = job.begin(PARENT)
    told(job, shown_on(curve, "p"), "retrain", 2)
    [(run_id, status)] = statuses(job)
    assert status == "RUNNING"
    assert history(job, run_id, "retrain") == {name: marks[:2] for name, marks in whole("retrain").items()}
    recorded(job, curve, "p")
    assert statuses(job) == [(run_id, "FINISHED")]
    assert history(job, run_id, "retrain") == whole("retrain")  # each epoch once
    (run,) = points(Tracker(job.uri, "first"))
    assert schema.unflatten(schema.PointResult, run.data.metrics) == kept_point("p").result
    assert run.data.tags["tag"] == "t"
    job.recording.close(curve, "FINISHED")
    assert job.recording.run_of(curve) == run.data.tags["mlflow.parentRunId"]


def test_the_dense_network_is_shown_on_its_curve_and_stands_there_whole(job: Job) -> None:
    curve = job.begin(PARENT)
    told(job, ShownOn(curve), "dense", 1)
    run_id = job.recording.run_of(curve)
    assert run_id is not None
    assert history(job, run_id, "dense")["loss"] == [(1, 2.0)]
    recorded(job, curve, "p")
    for _ in range(2):
        job.recording.close(curve, "FINISHED")
    assert history(job, run_id, "dense") == whole("dense")


def test_courses_are_in_the_store_and_come_back_with_a_lost_database(job: Job) -> None:
    curve = job.begin(PARENT)
    told(job, shown_on(curve, "p"), "retrain", 1)
    recorded(job, curve, "p")
    job.recording.close(curve, "FINISHED")
    sqlite_file(Tracker(job.uri, "first")).unlink()
    fresh_store(job.store.root.parent)
    again = Job(job.store.root.parent)
    assert again.recording.write_owed().stuck is None
    [(run_id, status)] = statuses(again)
    assert status == "FINISHED"
    assert history(again, run_id, "retrain") == whole("retrain")
    (above,) = client_of(Tracker(job.uri, "first")).search_runs(["1", "2"], "tags.`pruneexp.kind` = 'curve'")
    assert history(again, above.info.run_id, "dense") == whole("dense")


def test_what_was_not_finished_is_left_killed_and_gives_way(job: Job) -> None:
    curve = job.begin(PARENT)
    told(job, shown_on(curve, "p"), "retrain", 2)
    job.recording.close(curve, "KILLED")
    [(first, status)] = statuses(job)
    assert status == "KILLED"
    curve = job.begin(PARENT)
    told(job, shown_on(curve, "p"), "retrain", 1)
    [(second, status)] = statuses(job)
    assert status == "RUNNING"
    assert second != first
    recorded(job, curve, "p")
    assert statuses(job) == [(second, "FINISHED")]


def test_a_trial_that_was_given_up_is_not_shown_any_more(job: Job) -> None:
    curve = job.begin(PARENT)
    told(job, shown_on(curve, "p"), "retrain", 1)
    job.recording.withdraw(digest("p"))
    job.recording.wait()
    assert statuses(job) == []


def test_a_failure_keeps_the_course_that_led_to_it(job: Job) -> None:
    curve = job.begin(PARENT)
    on = shown_on(curve, "p")
    told(job, on, "retrain", 2)
    job.recording.failure(curve, on.identity or {}, "diverged", {})
    job.recording.close(curve, "FAILED")
    [(run_id, status)] = statuses(job)
    assert status == "FAILED"
    assert history(job, run_id, "retrain")["loss"] == [(1, 0.5), (2, 0.25)]
    (run,) = points(Tracker(job.uri, "first"))
    assert run.data.tags[schema.FAILURE] == "diverged"


def test_no_training_notices_that_mlflow_is_gone(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    curve = job.begin(PARENT)

    def gone(*_: object, **__: object) -> str:
        raise Unreachable("gone")

    with monkeypatch.context() as patched:
        for name in ("start", "show"):
            patched.setattr(Tracker, name, gone)
        told(job, shown_on(curve, "p"), "retrain", 3)
        told(job, ShownOn(curve), "dense", 2)
    recorded(job, curve, "p")
    job.recording.close(curve, "FINISHED")
    [(run_id, status)] = statuses(job)
    assert status == "FINISHED"
    assert history(job, run_id, "retrain") == whole("retrain")


def test_writes_are_seconds_apart_and_the_first_comes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("pruneexp.tracking.live.time.monotonic", lambda: clock[0])
    courses, on = live.LiveCourses(), ShownOn("curve-x")

    def add(at: float) -> bool:
        clock[0] = at
        return courses.add(on, [])

    assert [add(100.0), add(104.9), add(105.0), add(105.1)] == [False, False, True, False]  # asked for once
    assert [each for each, _ in courses.take()] == [on]
    courses.written(0.3)  # 2 % of the time: not before 15 s have passed
    assert [add(106.0), add(120.0), add(120.2)] == [False, False, True]


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
        assert run.inputs is not None
        assert run.inputs.dataset_inputs[0].dataset.name == run.data.params["data"]
    assert len(client.search_runs(["1", "2"], "dataset.name = 'synthetic' and tags.`pruneexp.kind` = 'point'")) == 3
