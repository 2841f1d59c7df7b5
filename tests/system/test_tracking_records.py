"""What is recorded is read back equal, once, and whole, whatever is repeated or killed."""

from __future__ import annotations

import hashlib
import json
import resource
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pruneexp import schema
from pruneexp.errors import UserError
from pruneexp.tracking import Parent, Tracker, bulk
from pruneexp.tracking import runs as runs_module
from pruneexp.tracking.runs import PARENT, Runs
from tests.contracts.records import (
    CURVE,
    ENVIRONMENT,
    artefact,
    client_of,
    curve_of,
    fresh_store,
    log_failure,
    log_point,
    point,
    points,
    runs,
    sqlite_file,
)


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """A store in a folder whose name needs quoting in a URI."""
    return fresh_store(tmp_path / "my 100% runs#1")


@pytest.fixture
def tracker(uri: str) -> Tracker:
    return Tracker(uri, "study")


def logged(tracker: Tracker, curve: str) -> set[str]:
    """Keys of the points of a curve that are recorded completely."""
    found = tracker._runs.find({f"tags.{PARENT}": curve, "attributes.status": "FINISHED"})
    return {run.data.tags[schema.POINT_KEY] for run in found}


@pytest.mark.parametrize("top5", [None, 99.5])
def test_a_point_is_read_back_equal(tracker: Tracker, top5: float | None) -> None:
    written = point("p", top5=top5)
    run_id = log_point(tracker, curve_of(tracker), written)
    (run,) = points(tracker)
    assert run.info.run_id == run_id
    rows = json.loads(artefact(run, schema.LAYERS_FILE))
    read = schema.TradeoffPoint(
        identity=schema.unflatten(schema.PointIdentity, schema.with_hashes(run.data.params, run.data.tags)),
        result=schema.unflatten(schema.PointResult, run.data.metrics),
        layers=tuple(schema.unflatten(schema.LayerRow, row) for row in rows),
        collapsed=schema.names_of(run.data.tags[schema.COLLAPSE]),
    )
    assert read == written


def test_a_point_is_named_tagged_and_nested(tracker: Tracker) -> None:
    curve = curve_of(tracker)
    log_point(tracker, curve, point("p"), {"batch_norm": "re-estimated"})
    (run,) = points(tracker)
    assert run.info.run_name == "d=0.10 · l2 · one_shot · prune · seed 3"
    assert run.info.status == "FINISHED"
    assert run.info.end_time >= run.info.start_time
    expected = {
        "mlflow.parentRunId": curve,
        "mlflow.source.git.commit": "a" * 40,
        schema.CURVE_KEY: "curve",
        schema.POINT_KEY: "p",
        schema.SCHEMA: schema.SCHEMA_VERSION,
        schema.DENSITY_MISSED: "true",
        "batch_norm": "re-estimated",
    }
    assert expected.items() <= run.data.tags.items()
    assert logged(tracker, curve) == {"p"}


def test_files_lie_beside_the_database(tracker: Tracker) -> None:
    log_point(tracker, curve_of(tracker), point("p"))
    folder = Path(tracker.uri.removeprefix("sqlite:///")).parent
    (written,) = (folder / "mlruns" / "study").rglob(schema.LAYERS_FILE)
    (run,) = points(tracker)
    downloaded = Path(client_of(tracker).download_artifacts(run.info.run_id, schema.LAYERS_FILE))
    assert downloaded.read_text() == written.read_text()


def test_a_curve_holds_its_configuration_and_environment(tracker: Tracker) -> None:
    run_id = tracker.begin(
        Parent(
            "curve",
            "k",
            "lenet5",
            CURVE,
            {},
            "tracking_uri: https://me:secret@host\n",
            {"git": {"commit": "unknown"}},
        )
    )
    run = client_of(tracker).get_run(run_id)
    assert run.data.params["model"] == "lenet5"
    assert artefact(run, schema.CONFIG_FILE) == "tracking_uri: https://***@host\n"
    assert json.loads(artefact(run, schema.ENVIRONMENT_FILE)) == {"git": {"commit": "unknown"}}
    assert "mlflow.source.git.commit" not in run.data.tags
    tracker.update(run_id, "KILLED")
    assert client_of(tracker).get_run(run_id).info.status == "KILLED"


def test_a_curve_is_found_again_and_keeps_its_first_environment(tracker: Tracker, uri: str) -> None:
    first = curve_of(tracker)
    tracker.update(first, "FINISHED")
    again = Tracker(uri, "study")
    assert again.begin(Parent("curve", "curve", "a curve", {**CURVE, "seed": 4, "new": 1}, {}, "other", {})) == first
    run = client_of(tracker).get_run(first)
    assert run.info.status == "FINISHED"
    again.update(first, "RUNNING")
    assert client_of(tracker).get_run(first).info.status == "RUNNING"
    assert (run.data.params["seed"], run.data.params["new"]) == ("3", "1")
    assert json.loads(artefact(run, schema.ENVIRONMENT_FILE)) == ENVIRONMENT
    assert curve_of(tracker, "another") != first


def test_a_curve_killed_while_it_was_made_is_completed(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Runs, "fill", _killed)
        with pytest.raises(KeyboardInterrupt):
            curve_of(tracker)
    (run,) = runs(tracker, f"tags.`{schema.KIND}` = 'curve'")
    assert curve_of(tracker) == run.info.run_id
    assert client_of(tracker).get_run(run.info.run_id).data.params["model"] == "lenet5"
    assert artefact(run, schema.CONFIG_FILE) == "model: lenet5\n"


def test_a_point_is_logged_once(tracker: Tracker, uri: str) -> None:
    curve = curve_of(tracker)
    assert log_point(tracker, curve, point("p")) is not None
    assert log_point(tracker, curve, point("p")) is None
    assert log_point(Tracker(uri, "study"), curve, point("p")) is None
    assert log_failure(tracker, curve, {"point_key": "p"}, "late") is None
    assert len(points(tracker)) == 1


@pytest.mark.parametrize(
    ("place", "step", "begun"),
    [(Runs, "write", 0), (bulk, "_add_rows", 0), (Runs, "fill", 1), (Runs, "end", 1)],
)
def test_a_point_killed_half_way_is_written_again(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch, place: object, step: str, begun: int
) -> None:
    curve = curve_of(tracker)
    with monkeypatch.context() as patched:
        patched.setattr(bulk, "is_database", lambda uri: not begun)  # a database shows all of a run at once
        patched.setattr(place, step, _killed)
        with pytest.raises(KeyboardInterrupt):
            log_point(tracker, curve, point("p"))
    assert logged(tracker, curve) == set()
    assert len(points(tracker)) == begun
    assert log_point(tracker, curve, point("p")) is not None
    (run,) = points(tracker)
    assert schema.unflatten(schema.PointResult, run.data.metrics) == point("p").result


def test_a_failed_point_says_why_and_gives_way_to_its_success(tracker: Tracker) -> None:
    curve = curve_of(tracker)
    known = {"point_key": "p", "mode": "prune", "budget.kind": "quality", "budget.value": 1.5}
    for _ in range(2):
        log_failure(tracker, curve, known, "the loss was NaN in epoch 3")
    (run,) = points(tracker)
    assert run.info.status == "FAILED"
    assert run.info.run_name == "q=1.50 · prune"
    assert run.data.tags[schema.FAILURE] == run.data.tags["mlflow.note.content"] == "the loss was NaN in epoch 3"
    assert run.data.params["budget.value"] == "1.5"
    assert logged(tracker, curve) == set()
    log_point(tracker, curve, point("p"))
    assert [run.info.status for run in points(tracker)] == ["FINISHED"]


def test_points_of_a_deleted_curve_move_to_the_new_one(tracker: Tracker) -> None:
    old = curve_of(tracker)
    log_point(tracker, old, point("p"))
    client_of(tracker).delete_run(old)
    new = curve_of(tracker)
    assert new != old
    assert log_point(tracker, new, point("p")) is None
    assert logged(tracker, new) == {"p"}


def test_trials_of_a_deleted_study_move_to_the_new_one(tracker: Tracker) -> None:
    study = Parent("study", "s", "a study", {"study": "a study"}, {}, "", {})
    old = tracker.begin(study)
    trial = point("p")
    log_point(tracker, old, trial)
    client_of(tracker).delete_run(old)
    new = tracker.begin(study)
    (run,) = points(tracker)
    assert run.data.tags["mlflow.parentRunId"] == new != old
    assert log_point(tracker, new, trial) is None


def test_nothing_is_too_long_or_too_much(tracker: Tracker) -> None:
    params: dict[str, Any] = {f"key {i}": i for i in range(250)} | {"scale/../map?": "x" * 9000}
    tags = {f"tag {i}": str(i) for i in range(150)} | {"collapsed": "y" * 9000}
    run_id = tracker.begin(Parent("curve", "k", "n" * 400, params, tags, "", {}))
    run = client_of(tracker).get_run(run_id)
    assert len(run.data.params) == 251
    assert sum(key.startswith("tag ") for key in run.data.tags) == 150
    assert len(run.data.tags["collapsed"]) == 8000
    ((_, scale),) = ((key, text) for key, text in run.data.params.items() if key.startswith("scale"))
    assert (len(scale), scale[:10]) == (6000, "x" * 10)
    assert hashlib.sha256(("x" * 9000).encode()).hexdigest()[:16] in scale


def test_pages_are_followed_to_the_end(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    curve = curve_of(tracker)
    log_point(tracker, curve, point("0"))
    database = sqlite_file(tracker)
    _copy_run(database, points(tracker)[0].info.run_id, [str(i) for i in range(1, 11)])
    assert logged(tracker, curve) == {str(i) for i in range(11)}
    pages: list[str] = []
    search = MlflowClient.search_runs

    def counted(*given: Any, **named: Any) -> Any:
        pages.append(given[2])
        return search(*given, **named)

    monkeypatch.setattr(runs_module, "PAGE", 4)
    monkeypatch.setattr(MlflowClient, "search_runs", counted)
    assert len(logged(tracker, curve)) == 11
    assert len(pages) == 3


def test_a_store_that_breaks_is_one_sentence(tracker: Tracker) -> None:
    curve = curve_of(tracker)
    with sqlite3.connect(sqlite_file(tracker)) as database:
        database.execute("DROP TABLE latest_metrics")
    with pytest.raises(UserError, match="no such table: latest_metrics") as caught:
        log_point(tracker, curve, point("p"))
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_one_sentence_and_nothing_is_lost(tracker: Tracker) -> None:
    curve = curve_of(tracker)
    log_point(tracker, curve, point("kept"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (sqlite_file(tracker).stat().st_size, limits[1]))
    try:
        with pytest.raises(UserError, match=r"full|disk I/O") as caught:
            _log_many(tracker, curve)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    before = logged(tracker, curve)
    assert "kept" in before
    assert log_point(tracker, curve, point("next")) is not None
    assert logged(tracker, curve) == before | {"next"}


def _copy_run(database: Path, run_id: str, keys: list[str]) -> None:
    """Copies of one run under other point keys, straight in the database: through MLflow they take a minute."""
    with sqlite3.connect(database) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(runs)") if row[1] != "run_uuid"]
        names = ", ".join(columns)
        for key in keys:
            connection.execute(
                f"INSERT INTO runs (run_uuid, {names}) SELECT ?, {names} FROM runs WHERE run_uuid = ?",
                (f"copy{key}", run_id),
            )
            connection.execute(
                "INSERT INTO tags (run_uuid, key, value) SELECT ?, key, CASE key WHEN ? THEN ? ELSE value END "
                "FROM tags WHERE run_uuid = ?",
                (f"copy{key}", schema.POINT_KEY, key, run_id),
            )


def _log_many(tracker: Tracker, curve: str) -> None:
    for number in range(100):
        log_point(tracker, curve, point(str(number)))


def _killed(*_: object) -> None:
    raise KeyboardInterrupt
