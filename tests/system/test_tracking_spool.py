"""Records that a store does not take wait in files, and arrive later exactly as they would have at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from pruneexp import schema
from pruneexp.errors import UserError
from pruneexp.experiment.waiting import told_what_waits
from pruneexp.places import SPOOL
from pruneexp.store.delivering import deliver
from pruneexp.tracking import Courier, Parent, Tracker, courier, delivery, waiting
from pruneexp.tracking.letters import Letter, of_ending, of_point, of_scan, plain, post, read
from pruneexp.tracking.spool import Spool
from pruneexp.tracking.stores import Unreachable
from tests.contracts.records import CURVE, ENVIRONMENT, artefact, client_of, curve_of, fresh_store, point, points, runs
from tests.contracts.scans import scan as a_scan

SECRET = "postgresql://me:s3cret@host/db"
PARENT = Parent("curve", "curve", "a curve", CURVE, {"note": "x"}, "model: lenet5\n", ENVIRONMENT)


class Outage:
    """A store that can be taken away, and how often it was asked whether it is back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on, self.asked = False, 0
        for name in ("begin", "restore", "log_point", "log_failure", "log_scan", "summarise", "close_curve"):
            monkeypatch.setattr(Tracker, name, self._guarded(getattr(Tracker, name)))
        for module in (courier, delivery):
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
def writer(tmp_path: Path, said: list[str]) -> Courier:
    return Courier(fresh_store(tmp_path), "first", tmp_path / "spool", say=said.append)


def begun(writer: Courier) -> str:
    return writer.begin(PARENT)


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


def test_a_letter_says_everything() -> None:
    letters = [of_point(PARENT, point("p"), {"t": "1"}, {"n": 1 / 3}), of_scan(a_scan(), "a: 1\n", {"b": 2})]
    for letter in letters:
        again = read(json.loads(json.dumps(plain(letter))))
        assert json.dumps(plain(again)) == json.dumps(plain(letter))

    class Written(Tracker):
        def __init__(self) -> None:
            self.found: list[object] = []

        def log_point(self, *arguments: object) -> None:
            self.found.append(arguments)

        def log_scan(self, *arguments: object) -> None:
            self.found.append(arguments)

    tracker = Written()
    for letter in letters:
        post(read(json.loads(json.dumps(plain(letter)))), tracker, "r")
    assert tracker.found == [("r", point("p"), {"t": "1"}, {"n": 1 / 3}), (a_scan(), "a: 1\n", {"b": 2})]


def test_a_store_lost_in_the_middle_gets_everything_once_it_is_back(
    tmp_path: Path, writer: Courier, said: list[str], outage: Outage
) -> None:
    curve = begun(writer)
    writer.log_point(curve, point("before"))
    outage.on = True
    writer.log_point(curve, point("during"), {"tag": "t"}, {"extra": 0.5})
    writer.log_failure(curve, {"point_key": "failed", "mode": "prune"}, "no memory")
    assert [(found.records, found.experiment) for found in waiting(tmp_path / "spool")] == [(2, "first")]
    assert len(said) == 1
    assert "The work goes on; its records wait in" in said[0]
    outage.on = False
    writer.close_curve(curve, "FINISHED")
    assert waiting(tmp_path / "spool") == []
    assert said[1].startswith("2 records that waited for sqlite:///")
    tracker = Tracker(fresh_uri(tmp_path), "first")
    found = content(tracker)
    assert {key: run[0] for key, run in found.items()} == {  # type: ignore[index]
        "before": "FINISHED",
        "during": "FINISHED",
        "failed": "FAILED",
    }
    assert [run.info.status for run in runs(tracker, f"tags.`{schema.KIND}` = 'curve'")] == ["FINISHED"]
    assert {run.data.tags["mlflow.parentRunId"] for run in points(tracker)} == {curve}
    direct = Tracker(tracker.uri, "direct")
    direct.log_point(curve_of(direct), point("during"), {"tag": "t"}, {"extra": 0.5})
    assert content(direct)["during"] == found["during"]


def fresh_uri(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def test_an_ending_that_waits_alone_is_told_and_delivered(tmp_path: Path, writer: Courier, outage: Outage) -> None:
    curve = begun(writer)
    writer.log_point(curve, point("p"))
    outage.on = True
    writer.close_curve(curve, "FINISHED")
    assert [found.records for found in waiting(tmp_path / "spool")] == [1]
    outage.on = False
    assert deliver(tmp_path / "spool", []) == 0
    assert waiting(tmp_path / "spool") == []
    ended = runs(Tracker(fresh_uri(tmp_path), "first"), f"tags.`{schema.KIND}` = 'curve'")
    assert [run.info.status for run in ended] == ["FINISHED"]


def test_a_store_in_trouble_is_not_asked_for_every_record(
    writer: Courier, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    curve = begun(writer)
    outage.on = True
    asked = []
    for number in range(100):
        writer.log_point(curve, point(f"p{number}"))
        asked.append(outage.asked)
        now += 1
    assert asked[3] == 1  # at once, and then not for some seconds
    assert 3 <= asked[-1] <= 6


def test_a_store_that_never_answered_is_refused_or_waited_for(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, real = fresh_store(tmp_path), Tracker.__init__

    def gone(*_: object) -> None:
        raise Unreachable("No server answers.")

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "__init__", gone)
        patch.setattr(courier, "answers", lambda _: False)
        with pytest.raises(UserError, match=r"No server answers\. With runtime\.spool=true records wait"):
            Courier(uri, "first", tmp_path / "spool", say=said.append).open()
        patient = Courier(uri, "first", tmp_path / "spool", patient=True, say=said.append)
        curve = begun(patient)
        patient.log_point(curve, point("p"))
        patient.close_curve(curve, "FINISHED")
    assert Tracker.__init__ is real
    assert [found.records for found in waiting(tmp_path / "spool")] == [1]
    Courier(uri, "first", tmp_path / "spool", say=said.append).open()  # as the next command does
    tracker = Tracker(uri, "first")
    assert {key: run[0] for key, run in content(tracker).items()} == {"p": "FINISHED"}  # type: ignore[index]
    (curve_run,) = runs(tracker, f"tags.`{schema.KIND}` = 'curve'")
    assert (curve_run.info.status, curve_run.data.params["model"]) == ("FINISHED", "lenet5")


@pytest.mark.parametrize("kind", ["curve", "study"])
def test_what_is_deleted_while_it_runs_is_made_again_with_all_its_points(
    tmp_path: Path, writer: Courier, said: list[str], kind: Literal["curve", "study"]
) -> None:
    curve, client = writer.begin(replace(PARENT, kind=kind)), client_of(Tracker(fresh_uri(tmp_path), "first"))
    writer.log_point(curve, point("before"))
    client.delete_run(curve)
    writer.log_point(curve, point("after"))
    writer.close_curve(curve, "FINISHED")
    tracker = Tracker(fresh_uri(tmp_path), "first")
    (again,) = runs(tracker, f"tags.`{schema.KIND}` = '{kind}'")
    assert (again.info.status, again.data.params["model"]) == ("FINISHED", "lenet5")
    assert {run.data.tags["mlflow.parentRunId"] for run in points(tracker)} == {again.info.run_id}
    assert len(points(tracker)) == 2
    assert ["The work goes on" in said[0], said[1].startswith("1 record that waited for")] == [True, True]


def test_points_of_an_experiment_deleted_while_it_runs_wait_until_it_is_restored(
    tmp_path: Path, writer: Courier, said: list[str]
) -> None:
    curve, tracker = begun(writer), Tracker(fresh_uri(tmp_path), "first")
    client_of(tracker).delete_experiment(tracker.experiment_id)
    writer.log_point(curve, point("p"))
    writer.close_curve(curve, "FINISHED")
    assert [found.records for found in waiting(tmp_path / "spool")] == [1]
    assert "The work goes on; its records wait in" in said[0]
    client_of(tracker).restore_experiment(tracker.experiment_id)
    Courier(fresh_uri(tmp_path), "first", tmp_path / "spool", say=said.append).open()
    assert {key: run[0] for key, run in content(tracker).items()} == {"p": "FINISHED"}  # type: ignore[index]
    assert waiting(tmp_path / "spool") == []


def test_a_record_that_waits_twice_or_was_written_already_arrives_once(
    tmp_path: Path, writer: Courier, outage: Outage
) -> None:
    spool = Spool(tmp_path / "spool", fresh_uri(tmp_path), "first")
    later = replace(point("p"), result=replace(point("p").result, ledger=schema.Ledger()))
    for letter in (of_point(PARENT, point("p"), {}, {}), of_point(PARENT, later, {}, {})):
        spool.add(letter)
        spool.add(letter)
    assert (len(spool.files()), spool.records()) == (2, 1)
    writer.open()
    tracker = Tracker(fresh_uri(tmp_path), "first")
    spool.add(of_point(PARENT, point("p"), {}, {}))  # delivered, and the process died before it removed the file
    delivery.deliver(spool, tracker, print)
    (run,) = points(tracker)
    assert run.data.metrics["ledger.dense.epochs"] == 2.5
    assert spool.files() == []


def test_how_a_curve_ended_last_counts_whatever_the_clock_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, clock = Spool(tmp_path, SECRET, "first"), iter((2 * 10**18, 10**18))
    monkeypatch.setattr(time, "time_ns", clock.__next__)
    for status in ("KILLED", "FINISHED"):
        spool.add(of_ending(PARENT, status))
    assert [letter.body["status"] for _, letter in spool.letters(print)] == ["FINISHED"]


def test_no_credentials_wait(tmp_path: Path) -> None:
    spool = Spool(tmp_path, SECRET, "first")
    parent = replace(PARENT, params={"data": SECRET}, config_yaml=f"uri: {SECRET}\n", environment={"x": [SECRET]})
    spool.add(Letter("failure", "p", {"reason": f"no answer from {SECRET}, password=s3cret"}, parent))
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "postgresql://***@host/db" in written
    assert "s3cret" not in written + str(spool.folder)
    assert Spool(tmp_path, SECRET.replace("s3cret", "changed"), "first").records() == 1


def test_no_byte_of_a_letter_can_change_unnoticed(tmp_path: Path) -> None:
    spool, said = Spool(tmp_path, "sqlite:////x/mlflow.db", "first"), list[str]()
    spool.add(Letter("failure", "p", {"reason": "why"}, PARENT))
    (path,) = spool.files()
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert list(spool.letters(said.append)) == []
        assert not path.exists()
    assert len(said) == len(good)
    assert "set aside as" in said[0]
    path.write_bytes(good)
    assert [letter.key for _, letter in spool.letters(said.append)] == ["p"]


def test_a_disk_that_refuses_the_letter_too_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spool = Spool(tmp_path / "file", "sqlite:////x/mlflow.db", "first")
    with pytest.raises(UserError, match=r"neither be written to sqlite:////x/mlflow.db nor kept in .*Not a directory"):
        spool.add(Letter("failure", "p", {}, PARENT))


def test_the_last_line_and_the_status_say_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    spool = Spool(tmp_path / SPOOL, SECRET, "first")
    with told_what_waits("pruneexp") as left:
        pass
    assert (left.status, capsys.readouterr().err) == (0, "")
    with told_what_waits("pruneexp") as left:
        spool.add(Letter("failure", "p", {}, PARENT))
    assert left.status == 1
    assert capsys.readouterr().err.startswith("pruneexp: 1 record waits for postgresql://***@host/db, experiment first")
    with told_what_waits("pruneexp") as left:
        pass
    assert left.status == 0  # not this command's
