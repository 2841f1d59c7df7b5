"""``study=sensitivity`` on small data: one recorded scan per seed, once, whole, and the same after a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow.artifacts import download_artifacts
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pruneexp import schema
from pruneexp.cache.store import Store
from pruneexp.experiment.display import Display
from pruneexp.schema import LayerSensitivity, ScanIdentity, unflatten, with_hashes
from pruneexp.tracking import default_uri
from pruneexp.training.events import TrainingEvent
from tests.contracts.jobs import built, runs
from tests.contracts.studies import recording, swept

SMALL_GRID = ("study=sensitivity", "study.densities=[0.5,0.05]", "study.resamples=50")
RETRAINED = ("study=sensitivity", "study.densities=[0.05]", "study.epochs=2", "runtime.checkpoint_seconds=0")


class Killed(BaseException):
    """What no handler of the command's may swallow."""


def table(folder: Path, run: Run) -> dict[str, Any]:
    uri = default_uri(folder)
    path = download_artifacts(run_id=run.info.run_id, artifact_path=schema.SENSITIVITY_FILE, tracking_uri=uri)
    found = json.loads(Path(path).read_text())
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = recording(tmp_path_factory.mktemp("sensitivity"))
    assert swept(place, *SMALL_GRID) == 0
    return place


def test_a_scan_is_recorded_whole(folder: Path) -> None:
    [run] = runs(folder, "scan")
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "lenet_300_100 · l2 · seed 0 · synthetic · sensitivity"
    of = unflatten(ScanIdentity, with_hashes(run.data.params, run.data.tags))
    assert (of.model, of.data, of.criterion, of.levels) == ("lenet_300_100", "synthetic", "global_magnitude", "density")
    assert (of.seed, of.retrain_epochs, of.scan_key) == (0, 0, run.data.tags[schema.SCAN_KEY])
    found = table(folder, run)
    rows = [unflatten(LayerSensitivity, row) for row in found["rows"]]
    assert [(row.group, row.level.value) for row in rows] == [
        (layer, density) for layer in ("fc1", "fc2", "fc3") for density in (0.5, 0.05)
    ]
    for row in rows:
        assert row.weights_kept == round(row.level.value * row.weights_total)
        assert row.bounds["top1_low"] <= row.val["top1"] - found["dense"]["top1"] <= row.bounds["top1_high"]
    assert found["images"] == len(built().setting.learner.data.value.val) == run.data.metrics["images"]
    assert run.data.metrics["dense.top1"] == found["dense"]["top1"] > 90
    history = MlflowClient(default_uri(folder)).get_metric_history(run.info.run_id, "sensitivity/fc2/val.change.top1")
    assert sorted((mark.step, mark.value) for mark in history) == [
        (500, rows[2].val["top1"] - found["dense"]["top1"]),
        (950, rows[3].val["top1"] - found["dense"]["top1"]),
    ]


def test_asked_again_nothing_is_computed_or_recorded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Store, "produce", None)
    assert swept(folder, *SMALL_GRID) == 0
    assert len(runs(folder, "scan")) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1:4]] == [
        ["fc1", "linear", "43,200"],
        ["fc2", "linear", "30,000"],
        ["fc3", "linear", "400"],
    ]


def test_how_much_memory_there_is_changes_no_scan(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "produce", None)
    assert swept(folder, *SMALL_GRID, "study.memory_gib=0.001") == 0
    assert len(runs(folder, "scan")) == 1


def test_each_seed_and_each_grid_has_a_scan_of_its_own(folder: Path) -> None:
    assert swept(folder, *SMALL_GRID, "study.seeds=[0,1]") == 0
    quality = ("study.densities=null", "study.qualities=[1,2]", "study.coupled=[[fc1,fc2]]")
    assert swept(folder, *SMALL_GRID, *quality) == 0
    scans = [unflatten(ScanIdentity, with_hashes(run.data.params, run.data.tags)) for run in runs(folder, "scan")]
    assert [(of.seed, of.levels) for of in scans] == [(0, "density"), (1, "density"), (0, "quality")]
    assert scans[0].dense_key == scans[2].dense_key != scans[1].dense_key
    assert scans[0].scan_settings == scans[1].scan_settings != scans[2].scan_settings
    assert len({of.dense_settings for of in scans}) == 1
    rows = table(folder, runs(folder, "scan")[-1])["rows"]
    assert [(row["group"], row["layers"], row["level.value"]) for row in rows] == [
        ("fc1+fc2", ["fc1", "fc2"], 1.0),
        ("fc1+fc2", ["fc1", "fc2"], 2.0),
        ("fc3", ["fc3"], 1.0),
        ("fc3", ["fc3"], 2.0),
    ]


def test_scans_of_networks_under_other_penalties_are_no_repetitions(folder: Path, tmp_path: Path) -> None:
    assert swept(recording(tmp_path), *SMALL_GRID, "reg.train.strength=0.02") == 0
    usual, other = (
        unflatten(ScanIdentity, with_hashes(run.data.params, run.data.tags))
        for place in (folder, tmp_path)
        for run in runs(place, "scan")[:1]
    )
    assert (usual.reg_strength, other.reg_strength) == (5e-4, 0.02)
    assert usual.dense_key != other.dense_key
    assert usual.reg_settings != other.reg_settings


@pytest.fixture(scope="module")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = recording(tmp_path_factory.mktemp("retrained"))
    assert swept(place, *RETRAINED) == 0
    return place


@pytest.mark.parametrize("epochs", [5, 8])  # the first of the second cut; the last: 2 of dense training, 2 of each cut
def test_killed_while_it_retrains_the_scan_is_the_same(
    epochs: int, retrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording(tmp_path)
    seen = 0

    def count(self: Display, event: TrainingEvent) -> None:
        nonlocal seen
        seen += event.kind == "epoch"
        if seen == epochs:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Display, "training", count)
        with pytest.raises(Killed):
            swept(tmp_path, *RETRAINED)
        seen = 100
        assert swept(tmp_path, *RETRAINED) == 0
    assert seen - 100 <= 8 - (epochs - 1)  # what was finished is not trained again
    [one], [two] = runs(retrained, "scan"), runs(tmp_path, "scan")
    assert table(retrained, one) == table(tmp_path, two)
    assert unflatten(ScanIdentity, with_hashes(two.data.params, two.data.tags)).retrain_epochs == 2
    assert one.data.params == two.data.params


def test_retraining_gives_back_what_a_cut_has_cost(folder: Path) -> None:
    assert swept(folder, *SMALL_GRID, "study.epochs=1") == 0
    bare, *_, retrained = (table(folder, run) for run in runs(folder, "scan"))
    assert bare["dense"] == retrained["dense"]
    before, after = ([row["val.top1"] for row in found["rows"]] for found in (bare, retrained))
    assert before != after
    assert sum(after) > sum(before)
