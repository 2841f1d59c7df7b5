"""A store with points of two tasks: from runs, from files and from the local copy, each has its own metrics."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from analysis import records
from analysis.__main__ import main
from analysis.records import frames
from pruneexp.schema import POINTS_FOLDER
from pruneexp.schema.columns import LAYERS, OPTIONAL, SCHEMA, LoggedPoint, other_numbers
from pruneexp.tracking import Tracker, contents
from tests.contracts.points import as_text, logged, point, tracking_file
from tests.contracts.records import client_of, curve_of, fresh_store, log_point, points_of_runs

IMAGES = [point(seed=seed) for seed in (0, 1)]
TEXTS = [as_text(point(model="lstm", data="topics", seed=seed)) for seed in (0, 1)]


class TwoTasks:
    """A store whose curve carries a file with the points of each task."""

    def __init__(self, folder: Path) -> None:
        self.uri, self.tracker = fresh_store(folder), Tracker(fresh_store(folder), "pruneexp")
        curve = curve_of(self.tracker)
        for one in (*IMAGES, *TEXTS):
            log_point(self.tracker, curve, one)
        self.tracker.update(curve, "FINISHED")
        self.from_runs = records.points(self.uri).records
        folder = Path(client_of(self.tracker).get_run(curve).info.artifact_uri.removeprefix("file://"), POINTS_FOLDER)
        folder.mkdir()
        self.files = [folder / f"{name}.parquet" for name in ("images", "texts")]
        for file, made in zip(self.files, (IMAGES, TEXTS), strict=True):
            keys = [one.identity.point_key for one in made]
            file.write_bytes(contents.parquet(self._with_ends(keys), self.tracker.experiment_id))

    def _with_ends(self, keys: list[str]) -> list[tuple[LoggedPoint, int]]:
        runs = points_of_runs(self.uri)
        ends = {run_id: client_of(self.tracker).get_run(run_id).info.end_time for run_id in runs}
        return [(one, ends[run_id]) for run_id, one in runs.items() if one.point.identity.point_key in keys]


@pytest.fixture
def two(tmp_path: Path) -> TwoTasks:
    return TwoTasks(tmp_path / "store")


def test_a_file_of_classification_has_the_columns_it_ever_had(two: TwoTasks) -> None:
    images, texts = (pq.read_schema(file).names for file in two.files)
    usual = [name for name in SCHEMA.names if name not in OPTIONAL]
    assert images == [*usual, LAYERS.name, "ended", "experiment_id"]
    assert set(texts) == {*images, "task", "metric.name", "metric.unit", "metric.direction", *other_numbers(texts)}
    assert len(other_numbers(texts)) == 6


def test_files_runs_and_copies_tell_the_same(two: TwoTasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.records.reading._point", None)  # no run is read
    folder = tmp_path / "copies"
    for _ in range(2):
        book = records.points(two.uri, None, folder)
        assert book.notes == ()
        assert book.records.equals(two.from_runs)
    for file in two.files:
        file.unlink()
    found = records.points(two.uri, None, folder).records
    assert found.equals(two.from_runs)
    made = frames.frame(found).set_index("data")
    assert made["val.after.perplexity"].dropna().to_dict() == {"topics": 7.5}
    assert made["val.after.top1"].dropna().to_dict() == {"mnist5k": 96.5}


def test_a_point_without_its_own_metric_is_named_and_left_out(tmp_path: Path) -> None:
    path = tracking_file(tmp_path / "mlflow.db", logged(*IMAGES, *TEXTS))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"DELETE FROM latest_metrics WHERE key LIKE 'test.after.%' AND run_uuid = '{3:032x}'")
        connection.execute("DELETE FROM latest_metrics WHERE key = 'test.after.perplexity'")
    book = records.points(f"sqlite:///{path}")
    assert book.records["run_id"].to_pylist() == [f"{1:032x}", f"{2:032x}"]
    assert list(book.notes) == [
        f"run {3:032x} is left out: it has no test.after.loss",
        f"run {4:032x} is left out: it has no test.after.perplexity",
    ]


def test_the_command_publishes_each_metric_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tracking_file(tmp_path / "mlflow.db", logged(*IMAGES, *TEXTS))
    assert main(["all", "--tracking-uri", str(path)]) == 0
    made = {Path(line).name for line in capsys.readouterr().out.splitlines() if line.endswith((".png", ".md"))}
    assert made == {
        "tradeoff-mnist5k-lenet5.png", "tradeoff-topics-lstm.png", "headline.md", "headline-perplexity.md",
        "fairness.md", "fairness-perplexity.md", "audit.md", "verdicts.md", "verdicts-perplexity.md",
    }  # fmt: skip
    assert "Pruned perplexity" in (tmp_path / "reports" / "headline-perplexity.md").read_text()
    assert main(["headline", "--tracking-uri", str(path), "--where", "metric.name=none"]) == 0
    assert "Pruned error, %" in (tmp_path / "reports" / "headline.md").read_text()
