"""The Parquet file on the run of a curve: what it holds, when it is written, and by whom."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from analysis import records as logged
from pruneexp import schema
from pruneexp.tracking import Tracker
from tests.contracts.records import (
    PARENT,
    Job,
    artefact,
    asked_again,
    digest,
    fresh_store,
    points,
    projected,
    runs,
)  # fmt: skip


def test_the_parquet_of_a_curve_equals_the_tables(tmp_path: Path) -> None:
    fresh_store(tmp_path)
    job = Job(tmp_path)
    curve = job.begin(PARENT)
    for name in ("p", "q"):
        job.point(curve, name)
    assert files_of(job) == []  # it has not ended
    job.recording.close(curve, "FINISHED")
    asked_again(tmp_path, "p", "q", "more")
    (path,) = files_of(job)
    assert path.name == f"{(job.store.root / 'id').read_text()}.parquet"
    found = pq.read_table(path)
    tables = logged.points(job.uri, ["first"]).records
    shared = [name for name in tables.column_names if name in found.column_names]
    assert {"run_id", "point_key", "val.after.top1", "started", "collapsed"} <= set(shared)
    assert found.select(shared).sort_by("run_id").equals(tables.select(shared).sort_by("run_id").combine_chunks())
    assert found["run_id"].to_pylist() == sorted(run.info.run_id for run in points(Tracker(job.uri, "first")))
    by_run = {run.info.run_id: run for run in points(Tracker(job.uri, "first"))}
    assert [by_run[run_id].info.end_time for run_id in found["run_id"].to_pylist()] == found["ended"].to_pylist()
    assert set(found["experiment_id"].to_pylist()) == {Tracker(job.uri, "first").experiment_id}
    assert [row["layer"] for row in found["layers"].to_pylist()[0]] == ["conv1", "fc1"]


def files_of(job: Job) -> list[Path]:
    root = job.store.root.parent
    return [path for path in root.rglob("*.parquet") if path.parent.name == schema.POINTS_FOLDER]


def test_points_that_arrive_after_their_curve_has_ended_are_added_to_its_parquet(tmp_path: Path) -> None:
    fresh_store(tmp_path)
    asked_again(tmp_path, "p")
    job = Job(tmp_path)
    other = Job(tmp_path, "elsewhere")
    other.point(other.begin(PARENT), "late")
    job.recording.point(f"curve-{PARENT.key}", digest("late"), {})  # as by another job of the curve
    projected(job)
    (path,) = [path for path in files_of(job) if "first" in str(path)]
    assert sorted(pq.read_table(path)["point_key"].to_pylist()) == sorted((digest("p"), digest("late")))


def test_a_run_made_of_another_stores_point_is_not_in_the_file(tmp_path: Path) -> None:
    uri = fresh_store(tmp_path)
    for name in ("north", "south"):
        job = Job(tmp_path / name, uri=uri)
        curve = job.begin(PARENT)
        job.point(curve, "p")
        time.sleep(0.005)  # each store has it from another moment
        job.recording.close(curve, "FINISHED")
    (path,) = tmp_path.rglob("points/*.parquet")
    assert path.stem == (tmp_path / "north" / "store" / "id").read_text()


def test_two_stores_write_two_files(tmp_path: Path) -> None:
    uri = fresh_store(tmp_path)
    for name in ("north", "south"):
        job = Job(tmp_path / name, uri=uri)
        curve = job.begin(PARENT)
        job.point(curve, name)
        job.recording.close(curve, "FINISHED")
    keys = [pq.read_table(path)["point_key"].to_pylist() for path in tmp_path.rglob("points/*.parquet")]
    assert sorted(keys) == sorted([[digest("north")], [digest("south")]])
    assert len(runs(Tracker(uri, "first"), f"tags.`{schema.KIND}` = 'curve'")) == 1


def test_an_infinite_loss_is_in_the_parquet_what_it_is_in_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.contracts import records

    made = records.kept_point("p")
    endless = replace(made.result.val.after, loss=float("inf"))
    worse = replace(made, result=replace(made.result, val=replace(made.result.val, after=endless)))
    monkeypatch.setattr(records, "kept_point", lambda _: worse)
    fresh_store(tmp_path)
    asked_again(tmp_path, "p")
    (path,) = files_of(Job(tmp_path))
    (run,) = points(Tracker(Job(tmp_path).uri, "first"))
    assert pq.read_table(path)["val.after.loss"].to_pylist() == [run.data.metrics["val.after.loss"]]
    assert artefact(run, schema.LAYERS_FILE)
