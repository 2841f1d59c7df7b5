"""From the result store into MLflow: interrupted anywhere, or done twice, each record is there once, as it was made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from pruneexp import schema
from pruneexp.store.delivering import deliver
from pruneexp.tracking import Parent, Tracker, bulk, recording
from pruneexp.tracking.stores import Unreachable
from tests.contracts.records import (
    CURVE,
    ENVIRONMENT,
    PARENT,
    Job,
    asked_again,
    client_of,
    digest,
    fresh_store,
    points,
    projected,
    runs,
)  # fmt: skip

STUDY = Parent("study", digest("study"), "a study", CURVE, {}, "model: lenet5\n", ENVIRONMENT)


def unwritten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job of a curve, a study and a failure that no tracking store has taken."""

    def gone(*_: object) -> None:
        raise Unreachable("No server answers.")

    job = Job(folder, patient=True)
    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "__init__", gone)
        patch.setattr(recording, "answers", lambda _: False)
        curve, study = job.begin(PARENT), job.begin(STUDY)
        for name in ("p", "q"):
            job.point(curve, name, {"tag": "t"})
        job.point(study, "trial", numbers={"level/fc": 0.5})
        job.recording.failure(study, {"point_key": digest("failed"), "mode": "prune"}, "no memory", {})
        job.recording.summarise(study, {"knee": 0.25})
        for under in (curve, study):
            job.recording.close(under, "FINISHED")
    return job


#: Of a curve, written anew whenever they change.
TOTALS = (schema.SECONDS, schema.STAGES, schema.CACHE_HITS, schema.RECORDED, schema.FAILED)


def told(folder: Path) -> dict[str, Any]:
    """Everything that an experiment shows of records, without what differs from one writing to the next."""
    tracker = Tracker(f"sqlite:///{folder}/mlflow.db", "first")
    client = client_of(tracker)
    found: dict[str, Any] = {}
    for run in runs(tracker, ""):
        tags = {name: value for name, value in run.data.tags.items() if name != "mlflow.parentRunId"}
        if tags[schema.KIND] == "summary":
            continue
        key = next(tags[name] for name in (schema.POINT_KEY, schema.STUDY_KEY, schema.CURVE_KEY) if name in tags)
        histories = {
            name: [(one.value, one.timestamp, one.step) for one in client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics
            if tags[schema.KIND] == "point" or name not in TOTALS
        }
        above = tags.pop("mlflow.parentRunId", None)
        files = sorted(path.path for path in client.list_artifacts(run.info.run_id))
        name = f"{tags[schema.KIND]} {key}"
        assert name not in found, "twice"
        found[name] = (run.info.status, run.info.start_time, tags, run.data.params, histories, above, files)
    return found


def summaries_of(folder: Path) -> list[dict[str, float]]:
    """The numbers of every summary over seeds."""
    found = runs(Tracker(f"sqlite:///{folder}/mlflow.db", "first"), f"tags.`{schema.KIND}` = 'summary'")
    return sorted((run.data.metrics for run in found), key=str)


class Interruption:
    """Ends a projection just before, or just after, the ``limit``-th write: of a whole run, or by MLflow's client."""

    WRITERS = ("create_run", "log_batch", "set_terminated", "delete_run", "update_run", "set_tag")

    def __init__(self, patch: pytest.MonkeyPatch, limit: int, *, before: bool) -> None:
        self._left, self._before = limit, before
        for name in self.WRITERS:
            patch.setattr(MlflowClient, name, self._counting(getattr(MlflowClient, name)))
        patch.setattr(bulk, "replace", self._counting(bulk.replace))

    def _counting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == 0 and self._before:
                raise KeyboardInterrupt
            done = method(*arguments, **named)
            if self._left == 0:
                raise KeyboardInterrupt
            return done

        return counted


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False])
def test_a_projection_interrupted_at_any_moment_is_completed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    job = unwritten(tmp_path, monkeypatch)
    fresh_store(tmp_path)
    projected(job)
    expected = told(tmp_path)
    assert sorted(name.split()[0] for name in expected) == ["curve", "point", "point", "point", "point", "study"]
    interrupted, limit = True, 0
    while interrupted:
        limit, interrupted = limit + 1, False
        fresh_store(tmp_path)
        job.place.owe_again()
        with monkeypatch.context() as patch:
            Interruption(patch, limit, before=before)
            try:
                projected(job)
            except KeyboardInterrupt:
                interrupted = True
        assert (job.place.records() > 0) is interrupted
        projected(job)
        assert list((job.place.folder / "owed").iterdir()) == []
        assert told(tmp_path) == expected
    assert limit > 12


def test_a_second_projection_adds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = unwritten(tmp_path, monkeypatch)
    fresh_store(tmp_path)
    projected(job)
    before = told(tmp_path)
    job.place.owe_again()
    projected(job)
    assert told(tmp_path) == before
    point_of = before[f"point {digest('p')}"]
    record = job.store.record(digest("p"))
    assert record is not None
    assert point_of[1] == record["recorded"]
    moments = {moment for history in point_of[4].values() for _, moment, _ in history}
    assert moments == {record["recorded"]}


def test_what_comes_again_unchanged_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh_store(tmp_path)
    job = Job(tmp_path)
    job.point(job.begin(PARENT), "p")
    monkeypatch.setattr(Tracker, "record", None)
    again = Job(tmp_path)
    again.point(again.begin(PARENT), "p", {"sweep": "another"})
    assert job.place.paid("point", digest("p"))


def test_a_database_that_is_lost_is_written_again_by_the_next_command(tmp_path: Path) -> None:
    fresh_store(tmp_path)
    job = Job(tmp_path)
    curve = job.begin(PARENT)
    job.point(curve, "p")
    job.recording.close(curve, "FINISHED")
    job_tracker = job.recording.tracker()
    assert job_tracker is not None
    job_tracker.describe_all()
    before, shown = told(tmp_path), summaries_of(tmp_path)
    fresh_store(tmp_path)  # another one, and no experiment in it
    other = Job(tmp_path)
    other.recording.open()
    assert told(tmp_path) == before
    assert summaries_of(tmp_path) == shown != []
    (tmp_path / "mlflow.db").unlink()
    assert deliver([job.store.root], []) == 0
    assert told(tmp_path) == before


def test_an_experiment_made_again_by_another_is_filled_again(tmp_path: Path) -> None:
    fresh_store(tmp_path)
    job = Job(tmp_path)
    job.point(job.begin(PARENT), "p")
    fresh_store(tmp_path)
    Tracker(job.uri, "first")
    assert points(Tracker(job.uri, "first")) == []
    Job(tmp_path).recording.open()
    assert len(points(Tracker(job.uri, "first"))) == 1


def test_what_the_user_deletes_stays_deleted(tmp_path: Path) -> None:
    fresh_store(tmp_path)
    job = Job(tmp_path)
    curve = job.begin(PARENT)
    for name in ("p", "q"):
        job.point(curve, name)
    job.recording.close(curve, "FINISHED")
    tracker = Tracker(job.uri, "first")
    client = client_of(tracker)
    gone, kept = (next(r for r in points(tracker) if r.data.tags[schema.POINT_KEY] == digest(n)) for n in ("p", "q"))
    client.delete_run(gone.info.run_id)
    job.place.owe_again()  # as where the notes are those of an earlier version, or lost
    asked_again(tmp_path, "p", "q")
    assert [run.info.run_id for run in points(tracker)] == [kept.info.run_id]
    client.delete_run(str(job.recording.run_of(curve)))
    asked_again(tmp_path, "p", "q")
    (again,) = runs(tracker, f"tags.`{schema.KIND}` = 'curve'")
    assert {run.data.tags["mlflow.parentRunId"] for run in points(tracker)} == {again.info.run_id}
    for run in (kept, again):
        client.delete_run(run.info.run_id)
    asked_again(tmp_path, "p", "q")
    assert runs(tracker, "") == []
    asked_again(tmp_path, "p", "new")
    assert [run.data.tags[schema.POINT_KEY] for run in points(tracker)] == [digest("new")]
    assert len(runs(tracker, f"tags.`{schema.KIND}` = 'curve'")) == 1


def test_one_result_store_serves_two_experiments(tmp_path: Path) -> None:
    fresh_store(tmp_path)
    jobs = {name: Job(tmp_path, name) for name in ("first", "second")}
    for name, job in jobs.items():
        job.point(job.begin(PARENT), "p", {"of": name})
    for name, job in jobs.items():
        (run,) = points(Tracker(job.uri, name))
        assert run.data.tags["of"] == name


def test_a_killed_job_that_goes_on_knows_its_curve(tmp_path: Path) -> None:
    fresh_store(tmp_path)
    job = Job(tmp_path)
    run = job.recording.run_of(job.begin(PARENT))
    job.recording.close(f"curve-{PARENT.key}", "KILLED")
    again = Job(tmp_path)
    assert again.recording.run_of(again.begin(PARENT)) == run is not None
    (curve,) = runs(Tracker(job.uri, "first"), f"tags.`{schema.KIND}` = 'curve'")
    assert (curve.info.run_id, curve.info.status) == (run, "RUNNING")


def test_a_tracking_store_of_a_newer_schema_is_one_sentence_and_everything_stays_owed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sqlite3

    job = unwritten(tmp_path, monkeypatch)
    fresh_store(tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'cafe00000000'")
    assert deliver([job.store.root], []) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "has schema cafe00000000 but MLflow" in said[0]
    assert job.place.records() == 4


def test_a_total_may_fall(tmp_path: Path) -> None:
    fresh_store(tmp_path)
    asked_again(tmp_path, "p", "q")
    tracker = Tracker(Job(tmp_path).uri, "first")
    tracker.describe_all()
    client_of(tracker).delete_run(points(tracker)[0].info.run_id)
    tracker.describe_all()
    (curve,) = runs(tracker, f"tags.`{schema.KIND}` = 'curve'")
    assert curve.data.metrics[schema.RECORDED] == 1
