"""``study=knee`` on small data: the answer lies between what was recorded, and nothing is computed twice."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from pruneexp.experiment.session import PointFailed, Session
from pruneexp.schema import PointIdentity, PointResult, unflatten, with_hashes
from pruneexp.stages.graph import Runner
from tests.contracts.jobs import runs
from tests.contracts.studies import nested, recording, swept

KNEE = ("study=knee", "study.seeds=[0,1]", "study.epsilon=5", "study.lowest=0.05", "study.tolerance=1.5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = recording(tmp_path_factory.mktemp("knee"))
    assert swept(place, *KNEE) == 0
    return place


def drops(folder: Path) -> dict[float, list[float]]:
    """Points of accuracy lost on val, of each seed at each density that is recorded."""
    found: dict[float, list[float]] = {}
    for run in nested(folder):
        val = unflatten(PointResult, run.data.metrics).val
        density = unflatten(PointIdentity, with_hashes(run.data.params, run.data.tags)).budget.value
        found.setdefault(density, []).append(val.dense["top1"] - val.after["top1"])
    return found


def test_the_answer_lies_between_two_recorded_densities(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = runs(folder, "study")[0]
    assert study.info.status == "FINISHED"
    answer = study.data.metrics["knee.density"]
    means = {density: statistics.fmean(lost) for density, lost in drops(folder).items()}
    assert study.data.metrics["knee.val.change_after.top1"] == pytest.approx(-means[answer])
    within = [density for density, mean in means.items() if mean <= 5]
    beyond = [density for density, mean in means.items() if mean > 5]
    assert min(within) == answer
    assert 1 < answer / max(beyond) <= 1.5
    assert 0.05 in beyond


def test_every_measurement_is_a_retrained_point_of_every_seed(folder: Path) -> None:
    points = nested(folder)
    study = runs(folder, "study")[0]
    assert all(run.info.status == "FINISHED" for run in points)
    assert {run.data.params["study"] for run in points} == {study.info.run_name}
    assert {run.data.params["retrain_epochs"] for run in points} == {"1"}
    densities = [unflatten(PointIdentity, with_hashes(run.data.params, run.data.tags)).budget for run in points]
    assert sorted((run.data.params["seed"], of.value) for run, of in zip(points, densities, strict=True)) == sorted(
        (seed, density) for seed in "01" for density in drops(folder)
    )


def test_asked_again_nothing_is_computed_and_the_answer_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Runner, "_made", None)
    before = len(runs(folder))
    assert swept(folder, *KNEE) == 0
    out, err = capsys.readouterr()
    study = runs(folder, "study")[0]
    answer = study.data.metrics["knee.density"]
    *rows, knee, surely = out.splitlines()
    assert knee.startswith(f"knee: {1 / answer:.1f}x (density {answer:g}) loses ")
    assert surely.startswith("with 95 % confidence over seeds: within ")
    assert len(rows) == 1 + len(drops(folder))
    assert (err, len(runs(folder))) == ("", before)


def test_a_finer_tolerance_goes_on_in_the_same_study(folder: Path) -> None:
    before, studies = set(drops(folder)), len(runs(folder, "study"))
    assert swept(folder, *KNEE[:-1], "study.tolerance=1.2") == 0
    assert before < set(drops(folder))
    assert len(runs(folder, "study")) == studies


def test_an_end_that_keeps_to_the_limit_is_the_answer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert swept(folder, "study=knee", "study.lowest=0.8", "study.seeds=[0]", "study.epsilon=99") == 0
    answer = "knee: beyond 1.2x; density 0.8, the lowest asked about, still loses at most 99 points of val accuracy"
    assert answer in capsys.readouterr().out.splitlines()
    assert runs(folder, "study")[-1].data.metrics["knee.density"] == 0.8


def test_without_any_point_nothing_is_concluded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(self: Session, *_: object) -> None:
        raise PointFailed("Diverged: the loss is nan")

    monkeypatch.setattr(Session, "point", failing)
    assert swept(folder, "study=knee", "study.lowest=0.9", "study.seeds=[0]", "study.tolerance=1.05") == 1
    out, err = capsys.readouterr()
    assert "knee:" not in out  # what failed says nothing about networks
    last = err.splitlines()[-1]
    assert last == "sweeps: no point could be computed: seed 0, density 0.9: Diverged: the loss is nan"
    assert runs(folder, "study")[-1].info.status == "FAILED"


def test_a_dense_network_that_diverges_is_said_once_for_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    diverging = ("train.lr=1e20", "train.schedule=constant", "train.epochs=1")
    assert swept(recording(tmp_path), "study=knee", "study.seeds=[0]", "study.lowest=0.5", *diverging) == 1
    assert (
        capsys.readouterr().err.splitlines()[-1].startswith("sweeps: no point could be computed: seed 0, density 0.5")
    )
    assert {run.info.status for run in runs(tmp_path)} == {"FAILED"}
