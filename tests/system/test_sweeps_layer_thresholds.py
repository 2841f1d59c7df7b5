"""``study=layer_thresholds`` on small data: what is searched, what is recorded, and what is not done twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from optuna.trial import TrialState

from pruneexp.experiment.run import run
from pruneexp.schema import PointResult, unflatten, with_hashes
from pruneexp.stages.graph import Runner
from sweeps.trials import Bench
from tests.contracts.composing import SMALL, composed
from tests.contracts.jobs import runs
from tests.contracts.studies import (
    LAYERS,
    STUDY,
    epochs,
    levels,
    nested,
    outcomes,
    places,
    recording,
    scale,
    swept,
    told,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = recording(tmp_path_factory.mktemp("thresholds"))
    assert swept(place, *STUDY, "study.trials=6") == 0
    return place


# --- what is recorded -------------------------------------------------------------------------------------------------


def test_every_trial_is_a_point_under_the_study(folder: Path) -> None:
    study = runs(folder, "study")[0]
    assert (study.info.status, study.info.run_name) == ("FINISHED", "mine")
    assert study.data.params["objective"] == "pareto"
    assert (study.data.metrics["trials.complete"], study.data.metrics["trials.fail"]) == (6, 0)
    probes = [point for point in nested(folder) if epochs(point) == 0]
    assert [int(point.data.params["trial"]) for point in probes] == list(range(6))
    for point, trial in zip(probes, told(folder), strict=True):
        result = unflatten(PointResult, point.data.metrics)
        assert (point.info.status, point.data.params["study"]) == ("FINISHED", "mine")
        assert levels(point) == trial.params
        assert [result.val.after["top1"], result.density] == trial.values
        assert result.val.before == result.val.after
        assert result.val.dense["top1"] > 90
        assert point.info.run_name.startswith(f"trial {trial.number} · q=")


def test_the_last_line_is_the_address_of_the_search_s_own_page(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert swept(folder, *STUDY, "study.trials=6", "runtime.dashboard=true") == 0
    page = capsys.readouterr().out.splitlines()[-1]
    assert page.startswith("dashboard http://127.0.0.1:5000/#/experiments/")
    assert re.search(r"viewStateShareKey=pruneexp-study-[0-9a-f]{8}&", page)


def test_a_search_never_looks_at_the_test_split_but_finalists_do(folder: Path) -> None:
    kinds = {epochs(point): point for point in nested(folder)}  # the last of each
    assert sorted(kinds) == [0, 1, 2]  # probes, and the rungs of the finalists
    assert not any(name.startswith("test.") for name in kinds[0].data.metrics)
    assert unflatten(PointResult, kinds[0].data.metrics).test is None
    assert unflatten(PointResult, kinds[2].data.metrics).test is not None


def test_finalists_are_the_front_of_their_trials(folder: Path) -> None:
    trials = {trial.number: trial for trial in told(folder)}
    finalists = {int(point.data.params["trial"]) for point in nested(folder) if epochs(point) == 1}
    assert 2 <= len(finalists) <= 3
    for number in finalists:
        val, density = trials[number].values
        assert not any(v >= val and d < density for v, d in (trial.values for trial in trials.values()))
    study = runs(folder, "study")[0]
    assert study.data.metrics["finalists"] == sum(epochs(point) == 2 for point in nested(folder))


def test_the_scan_behind_the_search_is_recorded(folder: Path) -> None:
    [scan] = runs(folder, "scan")
    assert (scan.data.params["levels"], scan.data.params["criterion"]) == ("quality", "layer_std")


def test_a_finished_study_computes_nothing_and_its_table_shows_the_finalists_from_the_densest(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(runs(folder))
    monkeypatch.setattr(Runner, "_made", None)
    assert swept(folder, *STUDY, "study.trials=6") == 0
    assert len(runs(folder)) == before
    out, err = capsys.readouterr()
    first, _, *rows, last = out.splitlines()
    assert (first, err) == ("6 trials: 6 complete, 0 given up, 0 failed", "")
    below = rows.index("the level of each layer, by trial:")
    rows, (shown, *layers) = rows[:below], [line.split() for line in rows[below + 1 :]]
    assert last == "study mine in .pruneexp/studies/mine.journal"
    points = {point.data.params["trial"]: point for point in nested(folder) if epochs(point) == 2}
    assert sorted(row.split()[0] for row in rows) == sorted(points)
    densities = [float(row.split()[1]) for row in rows]
    assert densities == sorted(densities, reverse=True)
    for row in rows:
        number, density, _, _, val, change, test = row.split()
        result = unflatten(PointResult, points[number].data.metrics)
        assert result.test is not None
        after = result.val.after["top1"]
        assert (density, val, change, test) == (
            f"{result.density:.4f}", f"{after:.2f}", f"{after - result.val.dense['top1']:+.2f}",
            f"{result.test.after['top1']:.2f}",
        )  # fmt: skip
    assert shown == ["layer", *(row.split()[0] for row in rows)]
    chosen = [levels(points[number]) for number in shown[1:]]
    assert layers == [[layer, *(f"{level[layer]:.3g}" for level in chosen)] for layer in LAYERS]


# --- not done twice, and gone on with ---------------------------------------------------------------------------------


def test_fewer_trials_of_a_finished_study_compute_and_record_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(runs(folder))
    monkeypatch.setattr(Runner, "_made", None)
    assert swept(folder, *STUDY, "study.trials=4", "study.finalists=0") == 0
    assert len(runs(folder)) == before
    assert runs(folder, "study")[0].info.status == "FINISHED"


def test_interrupted_and_asked_for_more_it_equals_one_go(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = Bench.probe

    def pressed(self: Bench, number: int, levels: dict[str, float]) -> Any:
        if number == 3:
            raise KeyboardInterrupt
        return probe(self, number, levels)

    recording(tmp_path)
    elsewhere = (*STUDY, places(folder)[0], "study.finalists=0")  # what is computed is at hand; what is told is not
    with monkeypatch.context() as patched:
        patched.setattr(Bench, "probe", pressed)
        assert swept(tmp_path, *elsewhere, "study.trials=8") == 130
    assert [trial.state.name for trial in told(tmp_path)] == ["COMPLETE"] * 3 + ["WAITING"]
    assert [run.info.status for run in runs(tmp_path, "study")] == ["KILLED"]
    assert swept(tmp_path, *elsewhere, "study.trials=6") == 0
    assert outcomes(told(tmp_path)) == outcomes(told(folder))
    assert swept(tmp_path, *elsewhere, "study.trials=8") == 0
    assert outcomes(told(tmp_path))[:6] == outcomes(told(folder))[:6]
    assert [trial.state for trial in told(tmp_path)] == [TrialState.COMPLETE] * 8
    assert len(nested(tmp_path)) == 8


def test_other_finalists_and_another_retraining_are_no_other_search(folder: Path) -> None:
    def finals() -> set[str]:
        return {point.data.tags["pruneexp.final_key"] for point in nested(folder) if epochs(point) > 0}

    before, trials = finals(), outcomes(told(folder))
    assert swept(folder, *STUDY, "study.trials=6", "study.finalists=1") == 0
    assert finals() == before
    assert swept(folder, *STUDY, "study.trials=6", "study.finalists=1", "retrain.lr_factor=0.05") == 0
    assert len(finals() - before) == 2  # after one epoch and after two
    assert outcomes(told(folder)) == trials


def test_without_retraining_the_finalists_are_not_retrained(folder: Path) -> None:
    assert swept(folder, *STUDY, "study.trials=6", "study.finalists=1", "retrain.epochs=0") == 0
    [final] = [point for point in nested(folder) if epochs(point) == 0 and "test.after.top1" in point.data.metrics]
    result = unflatten(PointResult, final.data.metrics)
    assert result.val.before == result.val.after


@pytest.mark.parametrize(
    ("other", "of"),
    [
        (("seed=1",), "baseline, bounds"),
        (("study.seed=1",), "seed"),
        (("study.starts=5",), "starts"),
        (("study.levels=[0.5,1,3]",), "levels"),
        (("criterion.min_keep=2",), "criterion"),
        (("study.sampler=random", "study.epochs=1"), "epochs, margin, pruner, retraining, sampler"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_study_of_something_else_under_the_same_name_is_refused(
    folder: Path, other: tuple[str, ...], of: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert swept(folder, *STUDY, "study.trials=6", *other) == 2
    err = capsys.readouterr().err
    assert err.startswith("sweeps: the study mine exists and is of another ")
    named = err.removeprefix("sweeps: the study mine exists and is of another ").partition(":")[0]
    assert set(of.split(", ")) <= set(named.split(", "))
    assert err.endswith("give this one another study.name, or ask with the same settings\n")
    assert err.count("\n") == 1


def test_a_study_without_a_name_is_named_by_what_it_searches(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = []
    for option in ("study.trials=1", "study.margin=2", "study.seed=1"):
        assert swept(folder, *STUDY, "study.finalists=0", "study.trials=1", "study.name=null", option) == 0
        names.append(capsys.readouterr().out.splitlines()[-1].split()[1])
    assert names[0] == names[1] != names[2]
    assert all(name.startswith("layer_thresholds-lenet_300_100-synthetic-l2-seed0-") for name in names)


# --- done again by pruneexp itself ------------------------------------------------------------------------------------


def again(folder: Path, *overrides: str) -> Run:
    """The one point of ``python -m pruneexp OVERRIDES`` beside what is recorded; nothing may be trained for it."""
    before = {run.info.run_id for run in runs(folder)}
    run(*composed(*SMALL, *places(folder), "curve.densities=null", *overrides))
    [point] = [run for run in runs(folder) if run.info.run_id not in before]
    return point


def identity_of(point: Run) -> dict[str, str]:
    return with_hashes(point.data.params, point.data.tags)


def test_a_finalist_is_computed_again_under_the_same_keys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finalist = next(point for point in nested(folder) if epochs(point) == 2)
    monkeypatch.setattr(Runner, "_made", None)
    quality = ("criterion=layer_std", scale(levels(finalist)), "curve.qualities=[1.0]")
    point = again(folder, *quality, "retrain.epochs=2")
    for name in ("dense_key", "mask_key", "final_key", "budget.kind", "budget.value"):
        assert identity_of(point)[name] == identity_of(finalist)[name]
    shared = {name for name in finalist.data.metrics if name.startswith(("val.", "test.", "density"))}
    assert {name: point.data.metrics[name] for name in shared} == {name: finalist.data.metrics[name] for name in shared}
    assert point.data.params["study"] == ""


def test_a_finalist_of_densities_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording(tmp_path)
    command = ("study=layer_thresholds", "criterion=layer_magnitude", "study.baselines=[]", "study.levels=[0.5,0.2]")
    assert swept(tmp_path, *command, "study.trials=3", "study.finalists=1") == 0
    [finalist] = [point for point in nested(tmp_path) if epochs(point) == 1]
    result = unflatten(PointResult, finalist.data.metrics)
    weights = dict(zip(LAYERS, (43_200, 30_000, 400), strict=True))
    kept = sum(round(weights[name] * level) for name, level in levels(finalist).items())
    assert result.weights_kept == pytest.approx(kept, abs=3)
    overall = float(finalist.data.params["budget.value"])
    assert overall == pytest.approx(kept / 73_600, abs=1e-4)
    monkeypatch.setattr(Runner, "_made", None)
    shares = {name: level / overall for name, level in levels(finalist).items()}
    point = again(tmp_path, "criterion=layer_magnitude", scale(shares), f"curve.densities=[{overall!r}]")
    assert point.data.tags["pruneexp.final_key"] == finalist.data.tags["pruneexp.final_key"]


# --- what the search has to beat --------------------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", ["layer_std", "layer_magnitude"])
def test_baselines_are_the_first_trials_with_the_weights_that_they_keep(criterion: str, tmp_path: Path) -> None:
    place = recording(tmp_path)
    beaten = ("study.baselines=[global,erk,lamp]", "study.baseline_densities=[0.3,0.05]", "study.trials=7")
    kept = ("study.finalists=1", "study.short_epochs=0", "study.cliff=50")  # all of them may win
    assert swept(place, *STUDY, *beaten, *kept, f"criterion={criterion}") == 0
    by_hand = {}
    for other in ("global_magnitude", "erk", "lamp"):
        run(*composed(*SMALL, f"criterion={other}", "curve.densities=[0.3,0.05]", *others(place, other)))
        for point in runs(place, experiment=other):
            by_hand[other, float(point.data.params["budget.value"])] = point.data.metrics
    probes = [point for point in nested(place) if epochs(point) == 0]
    order = [(name, density) for density in (0.3, 0.05) for name in ("global_magnitude", "erk", "lamp")]
    for probe, which in zip(probes, order, strict=False):
        assert probe.data.metrics["weights_kept"] == by_hand[which]["weights_kept"]
        assert probe.data.metrics["val.after.top1"] == by_hand[which]["val.before.top1"]
    retrained = {int(point.data.params["trial"]) for point in nested(place) if epochs(point) == 2}
    assert set(range(6)) <= retrained  # beside the best one of the front


def others(place: Path, experiment: str) -> tuple[str, ...]:
    return (*places(place), f"runtime.experiment={experiment}", "train.epochs=2", "retrain.epochs=1")


def test_the_papers_own_way_has_no_baselines(tmp_path: Path) -> None:
    place = recording(tmp_path)
    words = ("study.sampler=greedy", "study.baselines=[global]", "study.trials=2", "study.finalists=0")
    assert swept(place, *STUDY, *words) == 0
    assert len([point for point in nested(place) if epochs(point) == 0]) == 2
