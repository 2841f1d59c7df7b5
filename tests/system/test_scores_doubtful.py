"""Scores that say less than they seem to, through every door: printed, stored, recorded, read back, searched."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from analysis.records import frames
from analysis.records.reading import points, scans
from pruneexp import schema
from pruneexp.cache.store import Store
from pruneexp.experiment.run import run
from pruneexp.schema import Budget, PointResult, unflatten
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Runner
from pruneexp.stages.mask import probe
from pruneexp.stages.scan import Grid, scan
from pruneexp.stages.setting import Setting
from pruneexp.summary.spread import spread
from pruneexp.tracking import Tracker, default_uri
from tests.contracts import doubtful
from tests.contracts.composing import small
from tests.contracts.jobs import built, runs
from tests.contracts.records import point
from tests.contracts.studies import recording, swept

BLIND = "model._target_=tests.contracts.doubtful.Blind"
DEAF = "model._target_=tests.contracts.doubtful.Deaf"
OWN = "runtime.allow=[tests]"


def dark_images(split: str) -> tuple[int, int]:
    """Of how many images of a split of the small data."""
    data = getattr(built().setting.learner.data.value, split)
    batches = [doubtful.dark(images) for images, _ in data.batches(64, torch.device("cpu"))]
    return int(torch.cat(batches).count_nonzero()), len(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recording(tmp_path_factory.mktemp("doubtful"))


def printed(folder: Path, capsys: pytest.CaptureFixture[str], *overrides: str) -> str:
    """What is said of the point of a job with one budget, below its table, but for what pruning has gained."""
    run(*small(folder, OWN, "curve.densities=[0.5]", *overrides))
    return capsys.readouterr().out.splitlines()[-2]


def test_images_without_a_number_are_wrong_and_said_everywhere(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = printed(folder, capsys, BLIND)
    (dark, images), (dark_test, images_test) = dark_images("val"), dark_images("test")
    said = f"not a number on {dark} of {images} images of val and {dark_test} of {images_test} images of test"
    assert 0 < dark < images
    assert line.endswith(said)

    recorded = runs(folder)[-1]
    assert recorded.data.tags[schema.UNDEFINED] == said
    result = unflatten(PointResult, recorded.data.metrics)
    assert result.val.before is not None
    for score in (result.val.dense, result.val.before, result.val.after):
        assert (score.undefined, score.images) == (dark, images)
        assert score["top1"] <= 100 * (1 - dark / images)
    Tracker(default_uri(folder), "pruneexp").describe(recorded.data.tags["mlflow.parentRunId"])
    [curve] = runs(folder, "curve")
    assert said in curve.data.tags["mlflow.note.content"]

    for _ in range(2):  # from the database, then from the local copy
        frame = frames.frame(points(default_uri(folder), copies=folder / "copies").records)
        [row] = frame[frame["undefined"] != ""].to_dict("records")
        assert (row["undefined"], row["val.after.undefined"], row["val.after.images"]) == (said, dark, images)
        assert spread(frame["val.after.top1"]).mean == result.val.after["top1"]


def test_a_network_that_answers_all_images_alike_is_flagged_everywhere(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(folder, capsys, DEAF).endswith("disconnected: the same outputs for every image")
    recorded = next(run for run in runs(folder) if schema.DISCONNECTED in run.data.tags)
    assert recorded.data.tags[schema.DISCONNECTED] == "true"
    assert schema.UNDEFINED not in recorded.data.tags
    assert [name for name in recorded.data.metrics if "undefined" in name or "images" in name] == []
    frame = frames.frame(points(default_uri(folder)).records)
    assert list(frame[frame["disconnected"]]["run_id"]) == [recorded.info.run_id]


def test_a_sound_network_has_neither_flag(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = printed(folder, capsys)
    assert "number" not in line
    assert "disconnected" not in line
    tags = runs(folder)[-1].data.tags
    assert not {schema.DISCONNECTED, schema.UNDEFINED} & tags.keys()


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_scan_counts_what_a_probe_counts(epochs: int, tmp_path: Path) -> None:
    setting: Setting = built(OWN, BLIND).setting
    grid = Grid((Budget("density", 0.5),), coupled=(("fc1", "fc2", "fc3"),), epochs=epochs, resamples=5)
    runner, dense = Runner(Store(tmp_path)), train_dense(setting)
    record = runner.record(scan(setting, dense, grid, memory=2**30))
    dark, images = dark_images("val")
    [row] = record["rows"]
    assert (row["val.undefined"], row["val.images"], record["dense"]["undefined"]) == (dark, images, dark)
    assert row["val.top1"] <= 100 * (1 - dark / images)
    assert max(row["top1_low"], row["top1_high"]) <= 5  # and not the loss of all that are dark
    probed = runner.record(probe(setting, dense, Budget("density", 0.5)))
    assert probed["val"]["undefined"] == dark
    assert not probed["disconnected"]


def test_the_searches_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, (dark, images) = recording(tmp_path), dark_images("val")
    assert swept(folder, OWN, BLIND, "study=sensitivity", "study.densities=[0.5]", "study.resamples=5") == 0
    said = f"not a number on up to {dark} of {images} images, in 4 of 4 passes"
    assert f"seed 0: {said}" in capsys.readouterr().out
    [recorded] = runs(folder, "scan")
    assert recorded.data.tags[schema.UNDEFINED] == said
    [logged] = scans(default_uri(folder)).records
    assert [row.val.undefined for row in logged.scan.rows] == [dark] * 3
    assert swept(folder, OWN, BLIND, "study=knee", "study.seeds=[0]", "study.lowest=0.5", "study.epsilon=100") == 0
    assert f"seed 0, density 0.5: not a number on {dark} of {images} images of val" in capsys.readouterr().err
    few = ("study.trials=1", "study.finalists=1", "study.starts=1", "study.levels=[0.5,1.0]")
    assert swept(folder, OWN, BLIND, "study=layer_thresholds", *few) == 0
    assert f"trial 0: not a number on {dark} of {images} images of val" in capsys.readouterr().out


def test_a_loss_without_a_number_is_named_where_every_image_has_its_best_class() -> None:
    made = point("p")
    endless = replace(made.result.val.after, loss=math.inf)
    result = replace(made.result, val=replace(made.result.val, dense=endless, after=endless))
    assert schema.undefined(replace(made, result=result)) == "no finite loss on val"
    recorded = {name: min(value, sys.float_info.max) for name, value in schema.flatten(result).items()}  # as by MLflow
    assert schema.undefined(replace(made, result=unflatten(PointResult, recorded))) == "no finite loss on val"
