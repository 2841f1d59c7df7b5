"""Scans and searches in the tracking store: written once and whole, found again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pruneexp import schema
from pruneexp.schema import LayerSensitivity, Scan, ScanIdentity, Score, unflatten
from pruneexp.tracking import Parent, Tracker, bulk
from pruneexp.tracking.runs import Runs
from tests.contracts.records import (
    ENVIRONMENT,
    artefact,
    client_of,
    fresh_store,
    log_point,
    log_scan,
    point,
    points,
    runs,
)
from tests.contracts.scans import CHANGES, scan

SCANS = f"tags.`{schema.KIND}` = 'scan'"


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    return Tracker(fresh_store(tmp_path / "my 100% runs#1"), "study")


def logged(tracker: Tracker, made: Scan) -> str | None:
    return log_scan(tracker, made, "uri: https://me:secret@host\n", ENVIRONMENT)


@pytest.mark.parametrize("top5", [True, False])
def test_a_scan_is_read_back_equal(tracker: Tracker, top5: bool) -> None:
    written = scan(top5=top5)
    run_id = logged(tracker, written)
    [run] = runs(tracker, SCANS)
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    table = json.loads(artefact(run, schema.SENSITIVITY_FILE))
    read = Scan(
        identity=unflatten(ScanIdentity, schema.with_hashes(run.data.params, run.data.tags)),
        dense=unflatten(Score, table["dense"]),
        images=table["images"],
        rows=tuple(unflatten(LayerSensitivity, row) for row in table["rows"]),
    )
    assert read == written


def test_a_scan_is_named_tagged_and_says_under_what_it_was_made(tracker: Tracker) -> None:
    logged(tracker, scan())
    [run] = runs(tracker, SCANS)
    assert run.info.run_name == "lenet5 · l2 · seed 0 · mnist5k · sensitivity"
    expected = {
        schema.SCAN_KEY: scan().identity.scan_key,
        schema.SCHEMA: schema.SCHEMA_VERSION,
        "mlflow.source.git.commit": "a" * 40,
    }
    assert expected.items() <= run.data.tags.items()
    assert artefact(run, schema.CONFIG_FILE) == "uri: https://***@host\n"
    assert json.loads(artefact(run, schema.ENVIRONMENT_FILE)) == ENVIRONMENT


def test_each_layer_is_a_series_over_its_pruned_weights(tracker: Tracker) -> None:
    run_id = logged(tracker, scan())
    assert run_id is not None
    client = client_of(tracker)
    for layer, changes in CHANGES.items():
        history = client.get_metric_history(run_id, f"sensitivity/{layer}/val.change.top1")
        assert {mark.step: mark.value for mark in history} == {
            round(1000 * (1 - density)): change for density, change in changes.items()
        }
    metrics = client.get_run(run_id).data.metrics
    assert (metrics["images"], metrics["dense.top1"]) == (200, 97.0)


def test_a_scan_is_recorded_once_and_another_beside_it(tracker: Tracker) -> None:
    assert logged(tracker, scan()) is not None
    assert logged(tracker, scan()) is None
    assert logged(Tracker(tracker.uri, "study"), scan(shift=1.0)) is None  # the same key: computed elsewhere
    assert logged(tracker, scan(seed=1)) is not None
    assert len(runs(tracker, SCANS)) == 2


@pytest.mark.parametrize("step", ["write", "fill"])
def test_a_scan_killed_half_way_is_written_again(tracker: Tracker, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(bulk, "is_database", lambda uri: False)
        patched.setattr(Runs, step, killed)
        with pytest.raises(KeyboardInterrupt):
            logged(tracker, scan())
    [broken] = runs(tracker, SCANS)
    assert broken.info.status == "RUNNING"
    assert logged(tracker, scan()) is not None
    [run] = runs(tracker, SCANS)
    assert (run.info.status, run.data.metrics["images"]) == ("FINISHED", 200)


def test_more_numbers_than_a_request_takes_are_all_written(tracker: Tracker) -> None:
    levels = [level / 1000 for level in range(990, 740, -10)]
    wide = scan({f"layer{n:02}": {level: -n - level for level in levels} for n in range(44)})
    run_id = logged(tracker, wide)
    assert run_id is not None
    metrics = client_of(tracker).get_run(run_id).data.metrics
    assert len(metrics) == 47
    for n in (0, 39, 40, 43):  # on both sides of the thousandth
        history = client_of(tracker).get_metric_history(run_id, f"sensitivity/layer{n:02}/val.change.top1")
        assert {mark.step: mark.value for mark in history} == pytest.approx(
            {round(1000 * (1 - level)): -n - level for level in levels}
        )


def test_levels_that_prune_alike_and_groups_of_layers_are_written_too(tracker: Tracker) -> None:
    made = scan({"conv1+fc1": {0.5: -1.0}})
    [row] = made.rows
    made = replace(made, rows=(row, replace(row, level=schema.Budget("density", 0.5001))))
    assert logged(tracker, made) is not None
    [run] = runs(tracker, SCANS)
    assert run.info.status == "FINISHED"
    [series] = [name for name in run.data.metrics if name.startswith("sensitivity")]
    assert run.data.metrics[series] == -1.0
    assert len(json.loads(artefact(run, schema.SENSITIVITY_FILE))["rows"]) == 2


# --- searches ---------------------------------------------------------------------------------------------------------


def study_of(tracker: Tracker, key: str = "k", **params: Any) -> str:
    return tracker.begin(
        Parent("study", key, "a search", {"objective": "pareto", **params}, {}, "model: lenet5\n", ENVIRONMENT)
    )


def test_a_study_is_found_again_by_its_key(tracker: Tracker) -> None:
    first = study_of(tracker)
    tracker.update(first, "KILLED")
    assert study_of(Tracker(tracker.uri, "study"), seed=3) == first
    run = client_of(tracker).get_run(first)
    assert (run.info.run_name, run.info.status) == ("a search", "KILLED")
    assert {"objective": "pareto", "seed": "3"}.items() <= run.data.params.items()
    assert run.data.tags[schema.KIND] == "study"
    assert run.data.tags[schema.STUDY_KEY] == "k"
    assert artefact(run, schema.CONFIG_FILE) == "model: lenet5\n"
    assert study_of(tracker, "another") != first
    assert tracker.begin(Parent("curve", "k", "a curve", {}, {}, "", ENVIRONMENT)) != first


def test_points_of_a_study_are_nested_and_carry_its_numbers(tracker: Tracker) -> None:
    study, made = study_of(tracker), point("p")
    made = replace(
        made,
        identity=replace(made.identity, study="a search", trial=7),
        result=replace(made.result, test=None),
    )
    assert log_point(tracker, study, made, numbers={"level/conv1": 0.5}) is not None
    assert log_point(tracker, study, made, numbers={"level/conv1": 0.6}) is None
    [run] = points(tracker)
    assert run.data.tags["mlflow.parentRunId"] == study
    assert (run.data.params["study"], run.data.params["trial"]) == ("a search", "7")
    assert run.info.run_name.startswith("trial 7 · d=0.10 · l2 · ")
    assert run.data.metrics["level/conv1"] == 0.5
    assert not any(name.startswith("test.") for name in run.data.metrics)
    assert unflatten(schema.PointResult, run.data.metrics) == made.result


def test_what_a_search_has_come_to_is_put_on_its_run(tracker: Tracker) -> None:
    study = study_of(tracker)
    for count in (3.0, 5.0):
        tracker.update(study, None, {"trials.complete": count, "knee density?": 0.1})
    metrics = client_of(tracker).get_run(study).data.metrics
    assert metrics["trials.complete"] == 5.0
    assert sorted(metrics.values()) == [0.1, 5.0]
