"""The local copy of what was read: with it or without it, every reading of a store gives the same."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import records
from analysis.records import copies, presence, reading
from analysis.records.client import ClientStore
from analysis.records.runs import Logbook
from pruneexp import schema
from pruneexp.tracking import Tracker, default_uri
from tests.contracts.points import logged, point, tracking_file
from tests.contracts.records import client_of, curve_of, fresh_store, log_failure, log_point

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

Change = Callable[["MlflowClient", Tracker, list[str]], object]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store of three finished points, one deleted and one that failed."""
    folder = tmp_path_factory.mktemp("written")
    tracker = Tracker(fresh_store(folder), "pruneexp")
    curve = curve_of(tracker)
    for seed in range(4):
        log_point(tracker, curve, point(seed=seed))
    log_failure(tracker, curve, schema.flatten(point(seed=7).identity), "The loss was NaN in epoch 3.")
    *_, last = _ids(tracker)
    client_of(tracker).delete_run(last)
    return folder


def _ids(tracker: Tracker) -> list[str]:
    """Of the finished points, sorted."""
    runs = client_of(tracker).search_runs([tracker.experiment_id], f"tags.`{schema.KIND}` = 'point'")
    return sorted(run.info.run_id for run in runs if run.info.status == "FINISHED")


def _deleted(client: MlflowClient, tracker: Tracker) -> str:
    from mlflow.entities import ViewType

    (run,) = client.search_runs([tracker.experiment_id], "", ViewType.DELETED_ONLY)
    return str(run.info.run_id)


def _purge(tracker: Tracker, run_id: str) -> None:
    """As `mlflow gc` does: no trace is left."""
    with closing(sqlite3.connect(tracker.uri.removeprefix("sqlite:///"))) as connection, connection:
        for table in ("latest_metrics", "metrics", "params", "tags", "runs"):
            connection.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (run_id,))


def _one_for_another(client: MlflowClient, tracker: Tracker, ids: list[str]) -> None:
    client.restore_run(_deleted(client, tracker))
    client.delete_run(ids[0])


def _swapped(client: MlflowClient, tracker: Tracker, ids: list[str]) -> None:
    client.restore_run(_deleted(client, tracker))
    client.delete_run(ids[0])


def _logged_again(client: MlflowClient, tracker: Tracker, ids: list[str]) -> None:
    client.delete_run(ids[0])
    for seed in range(3):
        log_point(tracker, curve_of(tracker), point(seed=seed))


CHANGES: dict[str, Change] = {
    "a new point": lambda client, tracker, ids: log_point(tracker, curve_of(tracker), point(seed=11)),
    "one deleted, another restored": _one_for_another,
    "a point logged again": _logged_again,
    "a run purged": lambda client, tracker, ids: _purge(tracker, ids[1]),
    "a run opened again": lambda client, tracker, ids: client.update_run(ids[0], status="RUNNING"),
    "no point any more": lambda client, tracker, ids: client.set_tag(ids[2], schema.KIND, "trash"),
}
OTHERS: dict[str, Change] = {
    "a failed point made good": lambda client, tracker, ids: log_point(tracker, curve_of(tracker), point(seed=7)),
    "the experiment renamed": lambda client, tracker, ids: client.rename_experiment(tracker.experiment_id, "other"),
    "the experiment deleted": lambda client, tracker, ids: client.delete_experiment(tracker.experiment_id),
}


@pytest.mark.parametrize("change", [*CHANGES, *OTHERS])
def test_whatever_changes_the_copy_tells_the_same(written: Path, tmp_path: Path, change: str) -> None:
    _same_after({**CHANGES, **OTHERS}[change], written, tmp_path)


@pytest.mark.parametrize("change", CHANGES)
def test_by_the_client_too(written: Path, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "open_store", ClientStore)
    monkeypatch.setattr(presence, "IDS", 2)  # three points: sixteen parts
    _same_after(CHANGES[change], written, tmp_path)


def _same_after(change: Change, written: Path, folder: Path) -> None:
    shutil.copy(written / "mlflow.db", folder)
    uri, kept = default_uri(folder), folder / "copies"
    before = records.points(uri, None, kept)
    assert len(before.records) == 3
    tracker = Tracker(uri, "pruneexp")
    change(client_of(tracker), tracker, _ids(tracker))
    for _ in range(2):
        assert records.points(uri, None, kept) == records.points(uri)


def test_what_is_known_is_not_read_again(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = records.points(small)
    monkeypatch.setattr(reading, "_point", _unexpected)
    assert _read(small) == whole


def test_a_server_sends_only_what_is_new(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    search = ClientStore._search

    def counted(self: ClientStore, *arguments: Any, **options: Any) -> list[Run]:
        found = search(self, *arguments, **options)
        sent.extend(run.info.run_id for run in found if run.info.status == "FINISHED" and "at" not in options)
        return found

    monkeypatch.setattr(ClientStore, "_search", counted)
    monkeypatch.setattr(reading, "open_store", ClientStore)
    shutil.copy(written / "mlflow.db", tmp_path)
    first, second = (records.points(default_uri(tmp_path), None, tmp_path / "copies") for _ in range(2))
    assert first == second
    assert sorted(sent) == first.records["run_id"].to_pylist()


def _unexpected(*_: object) -> None:
    raise AssertionError("a known point was read again")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of three points made by hand, of which there is a copy; to stand beside."""
    monkeypatch.chdir(tmp_path)
    path = tracking_file(tmp_path / "mlflow.db", logged(point(), point(seed=1), point(seed=2)))
    records.points(str(path), None, records.COPIES)
    return str(path)


def _file() -> Path:
    (path,) = records.COPIES.iterdir()
    return path


def _read(uri: str) -> Logbook[pa.Table]:
    return records.points(uri, None, records.COPIES)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _flip(path: Path) -> None:
    """One bit of a value."""
    content, first = bytearray(path.read_bytes()), pq.read_metadata(path).row_group(0).column(0)
    content[first.data_page_offset + first.total_compressed_size - 1] ^= 1
    path.write_bytes(content)


def _older(path: Path) -> None:
    """Written by an earlier version, which knew one value less."""
    pq.write_table(pq.read_table(path).drop_columns(["density"]), path)


@pytest.mark.parametrize(
    ("harm", "remark"),
    [
        (lambda path: path.unlink(), None),
        (_older, "it has no density"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (_truncate, "cannot be read"),
        (_flip, "cannot be read"),
        (lambda path: path.write_bytes(b"something else" * 99), "cannot be read"),
    ],
)
def test_a_copy_that_is_gone_damaged_or_old_is_made_anew(
    small: str, harm: Callable[[Path], None], remark: str | None
) -> None:
    whole = records.points(small)
    harm(_file())
    book = _read(small)
    assert book.records == whole.records
    assert [remark in sentence for sentence in book.notes if remark] == [True] * bool(remark)
    assert _read(small) == whole  # mended: nothing to remark on any more


def test_a_folder_that_cannot_be_written_is_remarked_on(small: str) -> None:
    whole = records.points(small)
    shutil.rmtree(records.COPIES)
    records.COPIES.write_text("a file where the folder would be")
    book = _read(small)
    assert book.records == whole.records
    assert "cannot be written" in book.notes[-1]


def test_readers_at_once_disturb_each_other_by_nothing(small: str) -> None:
    shutil.rmtree(records.COPIES)
    whole, found = records.points(small), []
    threads = [threading.Thread(target=lambda: found.append(_read(small))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [whole] * 4


def test_the_name_of_a_copy_does_not_tell_of_whom(tmp_path: Path) -> None:
    one, other = (copies.place(tmp_path, f"http://{who}@host:1/") for who in ("ann:secret", "bob:secret"))
    assert one == other
    assert "secret" not in one.name
