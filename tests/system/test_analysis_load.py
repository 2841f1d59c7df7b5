"""Reading a tracking store: typed, complete, without a trace left behind, and the same by either way in."""

from __future__ import annotations

import math
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from analysis import records
from analysis.records import stores
from analysis.records.client import ClientStore
from pruneexp import schema
from pruneexp.errors import UserError
from pruneexp.schema import SENSITIVITY_FILE, LayerRow, TradeoffPoint, columns, flatten
from pruneexp.tracking import Tracker
from tests.contracts.points import logged, point, tracking_file
from tests.contracts.ports import free_port
from tests.contracts.records import (
    ENVIRONMENT,
    client_of,
    curve_of,
    fresh_store,
    log_failure,
    log_point,
    log_scan,
    points_of_runs,
)  # fmt: skip
from tests.contracts.scans import logged_scans, scan, scan_file, table

LAYER = LayerRow(
    layer="fc1", kind="linear", weights_total=100, weights_kept=10, density=0.1, density_effective=0.1, flop=200.0,
    activation_share=0.5, flop_share=0.05, neurons_total=10, neurons_dead=0, bytes_dense=400, bytes_sparse=50,
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, TradeoffPoint]]:
    """A store written as experiments write it: three points of a curve; others failed, running and deleted."""
    uri = fresh_store(tmp_path_factory.mktemp("my 100% runs#1"))
    tracker = Tracker(uri, "pruneexp")
    Tracker(uri, "another")
    curve = curve_of(tracker)
    first = replace(point(), layers=(LAYER, replace(LAYER, layer="fc2")), collapsed=("conv2", "fc1"))
    written = {}
    for made in (first, point(reg="l1", seed=1), point(mode="scratch_e")):
        run_id = log_point(tracker, curve, made)
        assert run_id is not None
        written[run_id] = made
    log_failure(tracker, curve, flatten(point(seed=7).identity), "The loss was NaN in epoch 3.")
    client = client_of(tracker)
    client.create_run(tracker.experiment_id, tags={schema.KIND: "point"})
    deleted = log_point(tracker, curve, point(seed=9))
    client.delete_run(str(deleted))
    return uri, written


def test_points_are_read_back_as_they_were_written(store: tuple[str, dict[str, TradeoffPoint]]) -> None:
    uri, written = store
    book = records.points(uri, ["pruneexp"])
    found = points_of_runs(uri)
    assert {run_id: one.point for run_id, one in found.items()} == {
        run_id: replace(made, layers=()) for run_id, made in written.items()
    }
    assert book.records == columns.table(found.values())
    assert set(book.records["experiment"].to_pylist()) == {"pruneexp"}
    failed, unfinished = sorted(book.notes, key=lambda note: "failed" not in note)
    assert failed.endswith("failed: The loss was NaN in epoch 3.")
    assert unfinished.endswith("is RUNNING")


def test_the_file_and_the_client_say_the_same(
    store: tuple[str, dict[str, TradeoffPoint]], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, _ = store
    direct, client = records.open_store(uri), ClientStore(uri)
    monkeypatch.setattr("analysis.records.client.PAGE", 2)  # five runs: three pages
    assert not isinstance(direct, ClientStore)
    assert direct.experiments() == client.experiments()
    assert {"another", "pruneexp"} <= set(direct.experiments())
    by_client = {run.run_id: run for run in client.runs("point", ["pruneexp"])}
    by_file = {run.run_id: run for run in direct.runs("point", ["pruneexp"])}
    assert len(by_file) == 5
    assert by_file == by_client
    assert direct.runs("point", ["another"]) == client.runs("point", ["another"]) == []


def test_the_sweep_of_a_point_is_told_by_either_way(tmp_path: Path) -> None:
    tracker = Tracker(fresh_store(tmp_path), "pruneexp")
    curve = curve_of(tracker)
    tagged = [log_point(tracker, curve, point(seed=seed), {schema.SWEEP: "my sweep"}) for seed in (0, 1)]
    log_point(tracker, curve, point(seed=2))
    for store in (records.open_store(tracker.uri), ClientStore(tracker.uri)):
        assert store.tagged(schema.SWEEP, "point", ["pruneexp"]) == {str(run_id): "my sweep" for run_id in tagged}
        assert store.tagged(schema.SWEEP, "scan", ["pruneexp"]) == {}
    assert records.sweeps(tracker.uri, "point", ["pruneexp"]).keys() == set(tagged)


def test_scans_are_read_back_as_they_were_written_by_either_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = fresh_store(tmp_path / "my 100% runs#1")
    tracker = Tracker(uri, "pruneexp")
    log_point(tracker, curve_of(tracker), point())
    written = [scan(), scan(seed=1, levels="quality", top5=False)]
    ids = [log_scan(tracker, made, "model: lenet5\n", ENVIRONMENT) for made in written]
    book = records.scans(uri, ["pruneexp"])
    assert {one.run_id: one.scan for one in book.records} == dict(zip(ids, written, strict=True))
    monkeypatch.setattr("analysis.records.reading.open_store", ClientStore)
    assert records.scans(uri, ["pruneexp"]) == book
    assert records.scans(uri, ["Default"]).records == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, r"its sensitivity\.json cannot be read: .*No such file"),
        ("{", r"its sensitivity\.json cannot be read: Expecting"),
        ("[]", r"its sensitivity\.json cannot be read: "),
        ('{"images": 3, "rows": []}', "it has no dense"),
        ('{"dense": {"loss": 1, "top1": 90}, "images": 3, "rows": []}', r"its sensitivity\.json has no rows"),
        ('{"dense": {"loss": 1, "top1": 90}, "images": 3, "rows": [{"group": "fc1"}]}', "it has no layers"),
    ],
)
def test_a_scan_without_its_table_is_left_out(tmp_path: Path, text: str | None, told: str) -> None:
    bad, good = logged_scans(scan(), scan(seed=1))
    path = scan_file(tmp_path / "mlflow.db", [bad, good])
    file = tmp_path / "mlflow.artefacts" / bad.run_id / SENSITIVITY_FILE
    file.unlink()
    if text is not None:
        file.write_text(text)
    book = records.scans(str(path))
    assert book.records == (good,)
    assert [bool(re.match(f"run {bad.run_id} is left out: {told}", note)) for note in book.notes] == [True]


def test_only_finished_scans_count(tmp_path: Path) -> None:
    (first,) = logged_scans(scan())
    path = scan_file(tmp_path / "mlflow.db", [first], status="FAILED")
    book = records.scans(str(path))
    assert not book.records
    assert book.notes == (f"run {first.run_id} failed: no reason was logged",)


def test_what_lies_elsewhere_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (one,) = logged_scans(scan())
    path = scan_file(tmp_path / "mlflow.db", [one])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET artifact_uri = 'mlflow-artifacts:/0/abc/artifacts'")
    asked: list[tuple[str, str]] = []

    class Client:
        def __init__(self, uri: str) -> None:
            assert uri == str(path)

        def artefact(self, run_id: str, name: str) -> str:
            asked.append((run_id, name))
            return table(one.scan)

    monkeypatch.setattr(stores, "ClientStore", Client)
    assert records.scans(str(path)).records == (one,)
    assert asked == [(one.run_id, "sensitivity.json")]


def test_an_unfamiliar_layout_is_left_to_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tracking_file(tmp_path / "mlflow.db", logged(point()))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE latest_metrics RENAME COLUMN is_nan TO nan")
    opened: list[str] = []
    monkeypatch.setattr(stores, "ClientStore", opened.append)
    records.open_store(f"sqlite:///{path}")
    assert opened == [f"sqlite:///{path}"]


def test_a_database_that_is_not_mlflow_s_is_left_as_it_is(tmp_path: Path) -> None:
    path = tracking_file(tmp_path / "mlflow.db", logged(point()))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE latest_metrics RENAME COLUMN is_nan TO nan")
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('older')")
    before = path.read_bytes()
    with pytest.raises(UserError, match="has schema older but MLflow"):
        records.points(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_write_that_was_killed_halfway_does_not_keep_readers_out(tmp_path: Path) -> None:
    path = tracking_file(tmp_path / "mlflow.db", logged(point(), point(seed=1)))
    write = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('PRAGMA cache_size = 1')\n"
        "connection.execute('BEGIN')\n"
        "for number in map(str, range(5000)):\n"
        "    connection.execute('INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)', (number, 'x', 'y'))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", write, str(path)], check=False)
    assert path.with_name("mlflow.db-journal").stat().st_size > 0
    assert len(records.points(f"sqlite:///{path}").records) == 2


def test_nan_stays_nan(tmp_path: Path) -> None:
    path = tracking_file(tmp_path / "mlflow.db", logged(point()))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE latest_metrics SET is_nan = 1, value = 0 WHERE key = 'activation_share'")
    (share,) = records.points(str(path)).records["activation_share"].to_pylist()
    assert math.isnan(share)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("DELETE FROM params WHERE key = 'budget.kind'", "it has no budget.kind"),
        ("DELETE FROM latest_metrics WHERE key = 'test.after.top1'", "it has no test.after.top1"),
        ("UPDATE params SET value = 'sparsity' WHERE key = 'budget.kind'", "'sparsity' is none of 'density'"),
        ("UPDATE params SET value = 'first' WHERE key = 'seed'", "'first'"),
    ],
)
def test_a_run_that_cannot_be_read_is_named_and_left_out(tmp_path: Path, change: str, told: str) -> None:
    path = tracking_file(tmp_path / "mlflow.db", logged(point(), point(seed=1)))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"{change} AND run_uuid = '{1:032x}'")
    book = records.points(f"sqlite:///{path}")
    assert book.records["run_id"].to_pylist() == [f"{2:032x}"]
    (sentence,) = book.notes
    assert sentence.startswith(f"run {1:032x} is left out: ")
    assert told in sentence


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    path = tracking_file(tmp_path / "mlflow.db", logged(point()))
    before = path.read_bytes()
    path.chmod(0o444)
    records.points(f"sqlite:///{path}")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_store_is_said_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mlflow\.db not found in .*--tracking-uri"):
        records.points(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"a text, and no database at all", None])
def test_a_file_of_something_else_is_said_and_left_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mlflow.db"
    if content is None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE songs (title TEXT)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"mlflow\.db (is not an MLflow store|cannot be read)"):
        records.points(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_an_unknown_experiment_names_the_existing_ones(tmp_path: Path) -> None:
    path = tracking_file(tmp_path / "mlflow.db", [*logged(point()), *logged()])
    with pytest.raises(UserError, match="has no experiment 'study'; it has pruneexp"):
        records.points(f"sqlite:///{path}", ["study"])


def test_a_server_that_does_not_answer_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"tracking server 127\.0\.0\.1 does not answer"):
        records.points(f"http://user:secret@127.0.0.1:{free_port()}")


def test_a_missing_driver_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # as if it were not installed
    monkeypatch.setattr("analysis.records.client.knock", lambda uri: None)
    with pytest.raises(
        UserError, match=r"cannot be read: psycopg is not installed: pip install -e '\.\[postgres\]'\.$"
    ):
        records.points("postgresql+psycopg://ann:s3cret@host/records")
