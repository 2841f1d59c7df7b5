"""Runs read and written many at a time: from MLflow's tables as through its client."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run

from pruneexp import schema
from pruneexp.tracking import Tracker, bulk
from pruneexp.tracking.runs import PARENT, NewRun, Value
from tests.contracts.records import client_of, curve_of, fresh_store, log_failure, log_point, point

NEW = NewRun(
    "two · seeds",
    {schema.KIND: "summary", "long": "x" * 9000},
    {"reg": "l2", "text": "y" * 7000},
    (Value("loss", 0.5, 90), Value("loss", 0.25, 10), Value("n", 2.0), Value("n", 2.0)),
)


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    return Tracker(fresh_store(tmp_path), "study")


def through_client(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bulk, "is_database", lambda _: False)


def test_tables_and_client_find_the_same(tracker: Tracker) -> None:
    curve = curve_of(tracker)
    for key, density in (("a", 0.1), ("b", 0.5)):
        log_point(tracker, curve, point(key, density), numbers={"odd": math.nan})
    log_failure(tracker, curve, {"point_key": "c", "reg": "l2"}, "no")
    for where, count in (
        ({}, 4),
        ({f"tags.{PARENT}": curve}, 3),
        ({f"tags.{schema.KIND}": "point", "attributes.status": "FINISHED", "params.reg": "l2"}, 2),
        ({f"tags.{schema.KIND}": "point", "params.budget.value": "0.5"}, 1),
        ({"attributes.run_id": curve}, 1),
        ({"params.reg": "l1"}, 0),
    ):
        with pytest.MonkeyPatch.context() as patch:
            found = bulk.find(tracker._runs, where)
            through_client(patch)
            assert len(found) == count
            assert shown(found) == shown(bulk.find(tracker._runs, where))


def test_only_the_contents_asked_for_are_read(tracker: Tracker) -> None:
    curve = curve_of(tracker)
    (found,) = bulk.find(tracker._runs, {f"tags.{schema.KIND}": "curve"}, ("tags",))
    assert (found.run_id, found.tags[schema.CURVE_KEY]) == (curve, "curve")
    assert (found.params, found.metrics) == ({}, {})


def test_runs_written_into_tables_are_those_of_the_client(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(tracker)

    def written() -> Run:
        bulk.replace(tracker._runs, [], [NEW])
        (run,) = client.search_runs([tracker.experiment_id], f"tags.`{schema.KIND}` = 'summary'")
        return run

    of_tables = written()
    steps = [(one.step, one.value) for one in client.get_metric_history(of_tables.info.run_id, "loss")]
    bulk.replace(tracker._runs, [of_tables.info.run_id], [])
    assert client.get_run(of_tables.info.run_id).info.lifecycle_stage == "deleted"
    through_client(monkeypatch)
    of_client = written()
    for part in ("params", "metrics", "tags"):
        assert getattr(of_tables.data, part) == getattr(of_client.data, part)
    assert of_tables.data.metrics["loss"] == 0.5  # at the highest step
    assert sorted(steps) == [(10, 0.25), (90, 0.5)]
    for name in ("run_name", "status", "lifecycle_stage", "experiment_id"):
        assert getattr(of_tables.info, name) == getattr(of_client.info, name)
    folders = {run.info.artifact_uri.replace(run.info.run_id, "") for run in (of_tables, of_client)}
    assert len(folders) == 1


def test_runs_written_at_once_begin_one_after_the_other(tracker: Tracker) -> None:
    names = [f"run {number}" for number in range(5)]
    bulk.replace(tracker._runs, [], [NEW._replace(name=name) for name in names])
    found = sorted(bulk.find(tracker._runs, {}, ()), key=lambda run: run.started)
    assert [run.name for run in found] == names
    assert len({run.started for run in found}) == 5


def test_what_a_database_does_not_take_leaves_it_as_it_was(tracker: Tracker) -> None:
    bulk.replace(tracker._runs, [], [NEW])
    (before,) = bulk.find(tracker._runs, {f"tags.{schema.KIND}": "summary"})
    broken = NEW._replace(values=(Value("n", 1.0, None),))  # type: ignore[arg-type]
    with pytest.raises(Exception, match="NOT NULL"):
        bulk.replace(tracker._runs, [before.run_id], [broken])
    assert bulk.find(tracker._runs, {f"tags.{schema.KIND}": "summary"}) == [before]


def shown(found: list[bulk.StoredRun]) -> list[str]:
    """As text, in which what is not a number equals itself, with every mapping in order."""

    def ordered(part: Any) -> Any:
        return sorted(part.items()) if isinstance(part, dict) else part

    return sorted(repr([ordered(part) for part in run]) for run in found)
