"""What a tracking store does not take stays noted, and arrives later exactly as it would have at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pruneexp import schema
from pruneexp.errors import UserError
from pruneexp.experiment.owing import told_what_is_owed
from pruneexp.places import OWED
from pruneexp.store.delivering import deliver
from pruneexp.tracking import Tracker, projection, recording
from pruneexp.tracking.artefacts import ParentKind
from pruneexp.tracking.notes import mark
from pruneexp.tracking.stores import Unreachable
from tests.contracts.records import (
    PARENT,
    Job,
    artefact,
    client_of,
    curve_of,
    digest,
    fresh_store,
    kept_point,
    log_point,
    points,
    runs,
)  # fmt: skip

SECRET = "postgresql://me:s3cret@host/db"


class Outage:
    """A store that can be taken away, and how often it was asked whether it is back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on, self.asked = False, 0
        names = ("begin", "given_up", "record", "update")
        for name in names:
            monkeypatch.setattr(Tracker, name, self._guarded(getattr(Tracker, name)))
        for module in (recording, projection):
            monkeypatch.setattr(module, "answers", self._answers)

    def _guarded(self, method: Callable[..., object]) -> Callable[..., object]:
        def guarded(*arguments: object, **named: object) -> object:
            if self.on:
                raise Unreachable("The tracking store could not be written: gone.")
            return method(*arguments, **named)

        return guarded

    def _answers(self, _: str) -> bool:
        self.asked += 1
        return not self.on


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Outage:
    return Outage(monkeypatch)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def job(tmp_path: Path, said: list[str]) -> Job:
    fresh_store(tmp_path)
    return Job(tmp_path, say=said.append)


def content(tracker: Tracker) -> dict[str, object]:
    """Everything recorded of the points of an experiment."""
    hidden = ("mlflow.parentRunId", "mlflow.runName")
    return {
        run.data.tags[schema.POINT_KEY]: (
            *(run.info.status, run.info.run_name, run.data.params, run.data.metrics),
            {name: value for name, value in run.data.tags.items() if name not in hidden},
            artefact(run, schema.LAYERS_FILE) if run.info.status == "FINISHED" else "",
        )
        for run in points(tracker)
    }


def statuses(tracker: Tracker) -> dict[str, str]:
    return {run.data.tags[schema.POINT_KEY]: run.info.status for run in points(tracker)}


def test_a_store_lost_in_the_middle_gets_everything_once_it_is_back(job: Job, said: list[str], outage: Outage) -> None:
    curve = job.begin(PARENT)
    before = job.point(curve, "before")
    outage.on = True
    during = job.point(curve, "during", {"tag": "t"}, {"extra": 0.5})
    failed = {"point_key": digest("failed"), "mode": "prune"}
    job.recording.failure(curve, failed, "no memory", {})
    assert job.place.records() == 2
    assert len(said) == 1
    assert "The work goes on; its records wait in" in said[0]
    outage.on = False
    job.recording.close(curve, "FINISHED")
    assert job.place.records() == 0
    assert said[1].startswith("2 records that waited for sqlite:///")
    tracker = Tracker(job.uri, "first")
    assert statuses(tracker) == {before: "FINISHED", during: "FINISHED", digest("failed"): "FAILED"}
    (run,) = runs(tracker, f"tags.`{schema.KIND}` = 'curve'")
    assert (run.info.status, run.info.run_id) == ("FINISHED", job.recording.run_of(curve))
    assert {each.data.tags["mlflow.parentRunId"] for each in points(tracker)} == {run.info.run_id}
    direct = Tracker(tracker.uri, "direct")
    log_point(direct, curve_of(direct, PARENT.key), kept_point("during"), {"tag": "t"}, {"extra": 0.5})
    assert content(direct)[during] == content(tracker)[during]


def test_an_ending_that_is_owed_alone_is_told_and_delivered(job: Job, outage: Outage) -> None:
    curve = job.begin(PARENT)
    job.point(curve, "p")
    outage.on = True
    job.recording.close(curve, "FINISHED")
    assert job.place.records() == 1
    outage.on = False
    assert deliver([job.store.root], []) == 0
    assert job.place.records() == 0
    ended = runs(Tracker(job.uri, "first"), f"tags.`{schema.KIND}` = 'curve'")
    assert [run.info.status for run in ended] == ["FINISHED"]


def test_a_store_in_trouble_is_asked_once_more_and_then_when_the_curve_ends(job: Job, outage: Outage) -> None:
    curve = job.begin(PARENT)
    outage.on = True
    for number in range(100):
        job.point(curve, f"p{number}")
    assert outage.asked == 1
    job.recording.close(curve, "FINISHED")
    assert outage.asked == 2
    assert job.place.records() == 100


def test_a_store_that_never_answered_is_refused_or_waited_for(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise Unreachable("No server answers.")

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "__init__", gone)
        patch.setattr(recording, "answers", lambda _: False)
        with pytest.raises(UserError, match=r"No server answers\. With runtime\.spool=true records wait"):
            job.recording.open()
        patient = Job(tmp_path, patient=True)
        curve = patient.begin(PARENT)
        key = patient.point(curve, "p")
        patient.recording.close(curve, "FINISHED")
    assert job.place.records() == 1
    job.recording.open()  # as the next command does
    tracker = Tracker(job.uri, "first")
    assert statuses(tracker) == {key: "FINISHED"}
    (curve_run,) = runs(tracker, f"tags.`{schema.KIND}` = 'curve'")
    assert (curve_run.info.status, curve_run.data.params["model"]) == ("FINISHED", "lenet5")


@pytest.mark.parametrize("kind", ["curve", "study"])
def test_what_is_deleted_while_it_runs_is_made_again_with_all_its_points(
    job: Job, said: list[str], kind: ParentKind
) -> None:
    curve = job.begin(replace(PARENT, kind=kind))
    job.point(curve, "before")
    tracker = Tracker(job.uri, "first")
    client_of(tracker).delete_run(str(job.recording.run_of(curve)))
    job.point(curve, "after")
    job.recording.close(curve, "FINISHED")
    (again,) = runs(tracker, f"tags.`{schema.KIND}` = '{kind}'")
    assert (again.info.status, again.data.params["model"]) == ("FINISHED", "lenet5")
    assert {run.data.tags["mlflow.parentRunId"] for run in points(tracker)} == {again.info.run_id}
    assert len(points(tracker)) == 2
    assert job.place.records() == 0
    assert "The work goes on" in said[0]


def test_points_of_an_experiment_deleted_while_it_runs_wait_until_it_is_restored(job: Job, said: list[str]) -> None:
    curve, tracker = job.begin(PARENT), Tracker(job.uri, "first")
    client_of(tracker).delete_experiment(tracker.experiment_id)
    key = job.point(curve, "p")
    job.recording.close(curve, "FINISHED")
    assert job.place.records() == 1
    assert "The work goes on; its records wait in" in said[0]
    client_of(tracker).restore_experiment(tracker.experiment_id)
    Job(job.store.root.parent).recording.open()
    assert statuses(tracker) == {key: "FINISHED"}
    assert job.place.records() == 0


def test_a_failure_gives_way_to_the_point_also_while_both_wait(job: Job, outage: Outage) -> None:
    curve = job.begin(PARENT)
    outage.on = True
    job.recording.failure(curve, {"point_key": digest("p"), "mode": "prune"}, "no memory", {})
    job.point(curve, "p")
    assert job.place.records() == 1
    outage.on = False
    job.recording.close(curve, "FINISHED")
    assert statuses(Tracker(job.uri, "first")) == {digest("p"): "FINISHED"}


def test_no_credentials_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "Tracker", _refuses)
    monkeypatch.setattr(recording, "answers", lambda _: False)
    job = Job(tmp_path, uri=SECRET, patient=True)
    params, yaml = {"data": SECRET}, f"uri: {SECRET}\n"
    curve = job.begin(replace(PARENT, params=params, config_yaml=yaml, environment={"x": [SECRET]}))
    job.recording.failure(curve, {"point_key": digest("p")}, f"no answer from {SECRET}, password=s3cret", {"t": SECRET})
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"postgresql://***@host/db" in path.read_bytes() for path in written)
    assert [path for path in written if b"s3cret" in path.read_bytes()] == []
    assert Job(tmp_path, uri=SECRET.replace("s3cret", "changed")).place.records() == 1


def _refuses(*_: object) -> None:
    raise Unreachable("No server answers.")


def test_a_disk_that_refuses_the_note_is_said(job: Job) -> None:
    curve = job.begin(PARENT)
    (job.place.folder / "owed").rmdir()
    (job.place.folder / "owed").write_text("")
    with pytest.raises(UserError, match=r"cannot be noted in .*Not a directory; mend the folder"):
        job.point(curve, "p")


def test_a_note_that_is_damaged_is_said_and_its_command_records_it_again(
    job: Job, said: list[str], outage: Outage
) -> None:
    curve = job.begin(PARENT)
    outage.on = True
    key = job.point(curve, "p")
    outage.on = False
    (job.place.folder / "owed" / f"point-{key}.json").write_text('{"under": ')
    job.recording.close(curve, "FINISHED")
    assert any("is damaged" in sentence for sentence in said)
    assert points(Tracker(job.uri, "first")) == []
    job.point(job.begin(PARENT), "p")
    assert statuses(Tracker(job.uri, "first")) == {key: "FINISHED"}


def test_the_last_line_and_the_status_say_what_is_owed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outage: Outage
) -> None:
    fresh_store(tmp_path)
    monkeypatch.chdir(tmp_path)
    job = Job(tmp_path)
    curve = job.begin(PARENT)
    with told_what_is_owed("pruneexp") as debt:
        job.point(curve, "at once")
    assert (debt.status, capsys.readouterr().err) == (0, "")
    with told_what_is_owed("pruneexp") as debt:
        outage.on = True
        job.point(curve, "p")
    assert debt.status == 1
    last = capsys.readouterr().err
    assert last.startswith(f"pruneexp: 1 record waits for {job.uri}, experiment first")
    assert last.endswith(f"python -m pruneexp.store deliver --store {tmp_path}/store\n")
    with told_what_is_owed("pruneexp") as debt:
        pass
    assert debt.status == 0  # not this command's
    outage.on = False
    assert deliver([job.store.root], []) == 0
    with told_what_is_owed("pruneexp") as debt:
        mark(tmp_path / OWED, job.place)
    assert (debt.status, list((tmp_path / OWED).iterdir())) == (0, [])
