"""Whole jobs on small data: what is computed, what is recorded, and what is not done twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow.artifacts import download_artifacts
from mlflow.entities import Run
from safetensors.torch import load_file, save_file

from pruneexp import schema
from pruneexp.errors import JobFailed, UserError
from pruneexp.schema import PointIdentity, PointResult, unflatten, with_hashes
from pruneexp.training.stacked import fit_stacked
from pruneexp.training.trainer import TrainingOutcome, TrainWork
from pruneexp.training.trainers import stacked
from tests.contracts.composing import composed, small
from tests.contracts.jobs import job_of, numbers, ran, runs

WITHOUT_ARGUMENTS = ("~model.num_classes", "~model.channels", "~model.image_size")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("job")
    ran(place)
    return place


def test_every_point_is_recorded_whole(folder: Path) -> None:
    points, curves = runs(folder), runs(folder, "curve")
    assert [run.info.status for run in points] == ["FINISHED"] * 2
    assert [run.info.status for run in curves] == ["FINISHED"]
    for run, density in zip(points, (0.5, 0.1), strict=True):
        of = unflatten(PointIdentity, with_hashes(run.data.params, run.data.tags))
        result = unflatten(PointResult, run.data.metrics)
        assert (of.model, of.data, of.mode, of.seed) == ("lenet_300_100", "synthetic", "prune", 0)
        assert of.budget.value == density == result.density_asked
        assert result.weights_kept == pytest.approx(density * result.weights_total, abs=2)
        assert result.val.before is not None
        assert result.ledger.dense.epochs == 2
        assert result.ledger.retrain.epochs == 1
        assert 0 < result.flop_effective <= result.flop_weights < result.flop_dense
        assert run.data.tags["mlflow.parentRunId"] == curves[0].info.run_id


def test_layers_config_and_environment_are_kept(folder: Path) -> None:
    point, curve = runs(folder)[0], runs(folder, "curve")[0]
    uri = f"sqlite:///{folder}/mlflow.db"

    def text(run: Run, name: str) -> str:
        return Path(download_artifacts(run_id=run.info.run_id, artifact_path=name, tracking_uri=uri)).read_text()

    assert [row["layer"] for row in json.loads(text(point, schema.LAYERS_FILE))] == ["fc1", "fc2", "fc3"]
    assert "lenet.LeNet300100" in text(curve, schema.CONFIG_FILE)
    assert "torch" in json.loads(text(curve, schema.ENVIRONMENT_FILE))["packages"]


def test_a_finished_job_trains_nothing_and_records_nothing_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = numbers(folder)
    monkeypatch.setattr("pruneexp.stages.train.train_several", None)  # any training would now fail
    ran(folder)
    assert numbers(folder) == before
    assert len(runs(folder)) == 2


def test_one_more_budget_is_one_more_point(folder: Path) -> None:
    before = numbers(folder)
    ran(folder, "curve.densities=[0.5,0.2,0.1]")
    after = numbers(folder)
    assert {key: after[key] for key in before} == before
    assert len(after) == 3
    assert len(runs(folder, "curve")) == 1


def test_a_lost_database_is_filled_again_from_the_store(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder / "store", tmp_path / "store")
    monkeypatch.setattr("pruneexp.stages.train.train_several", None)
    ran(tmp_path)
    lost, found = (
        {run.data.tags[schema.POINT_KEY]: run.data.metrics for run in runs(each)} for each in (folder, tmp_path)
    )
    assert len(found) == 2
    assert found == {key: lost[key] for key in found}  # seconds and hits too: the record is the store's


def test_scratch_b_spends_what_the_dense_network_did(tmp_path: Path) -> None:
    ran(tmp_path, "mode=scratch_b", "train.epochs=10")
    for run in runs(tmp_path):
        result = unflatten(PointResult, run.data.metrics)
        saving = result.flop_dense / result.flop_weights
        assert result.ledger.scratch.epochs == int(10 * saving) > 10
        assert result.ledger.scratch.flop == pytest.approx(result.ledger.dense.flop, rel=0.1)
        assert result.val.before is None


def test_scratch_b_spends_retraining_too_where_it_is_charged(tmp_path: Path) -> None:
    rounds = ("schedule=progressive", "train.epochs=3", "retrain.epochs=4", "curve.densities=[0.5,0.2]")
    for mode in ("prune", "scratch_b_retraining"):
        ran(tmp_path, f"mode={mode}", *rounds)
    tuned, fresh = (
        sorted((unflatten(PointResult, run.data.metrics) for run in runs(tmp_path) if run.data.params["mode"] == mode),
               key=lambda result: result.density) for mode in ("prune", "scratch_b_retraining")
    )  # fmt: skip
    for one, other in zip(tuned, fresh, strict=True):
        budget, spent = one.ledger.dense.flop + one.ledger.retrain.flop, other.ledger.scratch.flop
        assert spent <= budget * (1 + 1e-9) < spent * (1.0 + 1.0 / other.ledger.scratch.epochs)


def test_local_retraining_books_the_epochs_of_both_halves(tmp_path: Path) -> None:
    both = ("model=lenet5", "data.image_size=16", "curve.densities=[0.4]", "train.epochs=1")
    for name, overrides, halves in (("both", both, 2), ("linear", ("curve.densities=[0.4]",), 1)):
        asked = small(tmp_path / name, *overrides, "retrain.scope=local", "retrain.epochs=2")
        assert job_of(*asked).routes[0].final.epochs == 2 * halves  # what a plan says
        ran(tmp_path / name, *overrides, "retrain.scope=local", "retrain.epochs=2")
        [run] = runs(tmp_path / name)
        assert run.data.metrics["ledger.retrain.epochs"] == 2 * halves
        assert run.data.params["retrain_epochs"] == str(2 * halves)


def test_layers_out_of_scope_are_stored_dense(tmp_path: Path) -> None:
    ran(tmp_path, "model=lenet5", "data.image_size=16", "criterion.layers=[conv]", "curve.densities=[0.4]")
    [run] = runs(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    path = download_artifacts(run_id=run.info.run_id, artifact_path=schema.LAYERS_FILE, tracking_uri=uri)
    rows = {row["layer"]: row for row in json.loads(Path(path).read_text())}
    linear = [row for row in rows.values() if row["kind"] == "linear"]
    assert [row["bytes_sparse"] for row in linear] == [row["bytes_dense"] for row in linear]
    assert run.data.metrics["bytes_sparse"] < run.data.metrics["bytes_dense"]
    assert run.data.metrics["bytes_sparse"] == sum(row["bytes_sparse"] for row in rows.values())


def test_a_point_that_diverges_is_recorded_failed_and_said(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match=r"2 of 2 points failed: d=0.5 \(Diverged: .*learning rate"):
        ran(tmp_path, "train.lr=1e20", "train.schedule=constant")
    points = runs(tmp_path)
    assert [run.info.status for run in points] == ["FAILED", "FAILED"]
    assert all("Diverged" in run.data.tags[schema.FAILURE] for run in points)
    assert runs(tmp_path, "curve")[0].info.status == "FAILED"


def test_points_beside_one_that_runs_out_of_memory_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stack of both fails; each is then trained alone."""

    def too_large(works: Sequence[TrainWork], *arguments: Any, **options: Any) -> list[TrainingOutcome]:
        if any(work.edit is not None and work.edit.masks.density > 0.4 for work in works):
            raise torch.OutOfMemoryError("tried to allocate 20 GiB")
        return fit_stacked(works, *arguments, **options)

    monkeypatch.setattr(stacked, "fit_stacked", too_large)
    with pytest.raises(JobFailed, match=r"1 of 2 points failed: d=0.5 \(OutOfMemoryError"):
        ran(tmp_path)
    assert sorted(run.info.status for run in runs(tmp_path)) == ["FAILED", "FINISHED"]
    monkeypatch.setattr(stacked, "fit_stacked", fit_stacked)
    ran(tmp_path)
    assert [run.info.status for run in runs(tmp_path)] == ["FINISHED", "FINISHED"]


def test_a_budget_out_of_reach_fails_alone(tmp_path: Path) -> None:
    thresholds = ("criterion=layer_std", "+criterion.allocation.scale.fc1=0", "curve.densities=[0.9,0.01]")
    with pytest.raises(JobFailed, match=r"1 of 2 points failed: d=0.01 \(Infeasible"):
        ran(tmp_path, *thresholds)
    assert sorted(run.info.status for run in runs(tmp_path)) == ["FAILED", "FINISHED"]


def test_a_layer_that_would_vanish_is_kept_and_tagged(tmp_path: Path) -> None:
    thresholds = ("criterion=layer_std", "+criterion.allocation.scale.fc3=100")
    ran(tmp_path, *thresholds, "curve.densities=null", "curve.qualities=[2]")
    [run] = runs(tmp_path)
    assert run.data.tags[schema.COLLAPSE] == '["fc3"]'
    assert run.data.params["budget.kind"] == "quality"


def test_a_network_may_lose_all_its_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everything = (
        "runtime.dashboard=true",
        "criterion=layer_std",
        "criterion.min_keep=0",
        "curve.densities=null",
        "curve.qualities=[1000]",
    )
    ran(tmp_path, *everything)
    [run] = runs(tmp_path)
    assert (run.info.status, run.data.metrics["density"]) == ("FINISHED", 0)
    assert "all gone" in capsys.readouterr().out
    with pytest.raises(JobFailed, match=r"q=1000 .*leaves no weight that could be trained from scratch"):
        ran(tmp_path, *everything, "mode=scratch_b")


def test_an_unreachable_server_is_refused_before_any_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pruneexp.stages.train.train_several", None)
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9"):
        ran(tmp_path, "runtime.tracking_uri='http://127.0.0.1:9'")


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    asked = composed("data=synthetic", "device=cuda")
    with pytest.raises(UserError, match="device=cuda: torch sees no GPU here"):
        job_of(*asked)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["criterion=layer_std", "+criterion.allocation.scale.fc9=1"], "fc9"),
        (["criterion.layers=[conv]"], "no prunable layer"),
        (["curve.densities=null", "curve.qualities=[1]"], "layer_std"),
        (["data.info.classes=7"], "set data.info.classes=4"),
        (["mode=scratch_b", "mode.cap=0.5"], "mode: cap=0.5: allowed is 1 or more"),
        (["model._target_=torch.nn.ReLU", *WITHOUT_ARGUMENTS], "the model gives"),
        (["train.schedule=step"], "milestones is .*; allowed is at least one with schedule 'step'"),
        (["train.nesterov=true", "train.momentum=0"], "nesterov is True; allowed is true only with momentum > 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_parts_that_do_not_fit_are_refused_in_one_sentence(overrides: list[str], message: str) -> None:
    asked = composed("data=synthetic", "device=cpu", *overrides)
    with pytest.raises(UserError, match=message) as caught:
        job_of(*asked)
    assert "\n" not in str(caught.value)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    save_file({"fc1.weight": torch.zeros(3, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="belongs to another architecture"):
        ran(tmp_path, f"train.start_from='{tmp_path}/other.safetensors'")


def test_training_can_start_from_given_weights(folder: Path, tmp_path: Path) -> None:
    [trained] = [path for path in (folder / "store").rglob("*.safetensors") if "fc1.bias" in load_file(path)][:1]
    ran(tmp_path, f"train.start_from='{trained}'", "train.epochs=0", "curve.densities=[0.5]")
    usual, given = ({run.data.tags["pruneexp.dense_key"] for run in runs(place)} for place in (folder, tmp_path))
    assert (len(usual), len(given)) == (1, 1)
    assert usual != given
