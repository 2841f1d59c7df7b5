"""``study=layer_thresholds`` over channels, and over what networks cost without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run

from pruneexp.errors import UserError
from pruneexp.experiment.run import run
from pruneexp.measure import clock, sizes
from pruneexp.schema import PointResult, unflatten
from pruneexp.stages.graph import Runner
from sweeps import costs
from tests.contracts.composing import SMALL, composed
from tests.contracts.jobs import runs
from tests.contracts.studies import epochs, nested, places, recording, scale, swept, told

#: Neurons of the two hidden layers are what can go.
CHANNELS = {"fc1": 300, "fc2": 100}
STUDY = ("study=layer_thresholds", "study.name=mine", "criterion=channel_magnitude", "study.levels=[0.5,0.1]",
         "study.baseline_densities=[0.3]", "study.starts=2", "study.trials=5", "study.finalists=2",
         "study.short_epochs=0", "study.cliff=50")  # fmt: skip
FLOP = (*STUDY, "study.cost=flop")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = recording(tmp_path_factory.mktemp("channels"))
    assert swept(place, *FLOP) == 0
    return place


def result_of(point: Run) -> PointResult:
    return unflatten(PointResult, point.data.metrics)


def test_trials_keep_shares_of_channels_and_cost_flop(folder: Path) -> None:
    probes = [point for point in nested(folder) if epochs(point) == 0]
    assert len(probes) == 5
    for point, trial in zip(probes, told(folder), strict=True):
        result, metrics = result_of(point), point.data.metrics
        assert {name: metrics[f"level/{name}"] for name in CHANNELS} == trial.params
        kept = {name: count - round((1 - trial.params[name]) * count) for name, count in CHANNELS.items()}
        assert result.weights_kept == 144 * kept["fc1"] + kept["fc1"] * kept["fc2"] + 4 * kept["fc2"]
        flop = 2 * result.weights_kept / (2 * 73_600)  # of linear layers, two for each weight
        assert trial.values == [result.val.after["top1"], pytest.approx(flop)]
        assert metrics["share/flop"] == trial.values[1]
        assert point.data.params["budget.kind"] == "units"


def test_the_first_trials_are_one_threshold_and_the_same_share(folder: Path) -> None:
    shares = [trial.params for trial in told(folder)]
    uniform = {name: round(share * CHANNELS[name]) for name, share in shares[1].items()}
    assert abs(uniform["fc1"] / 3 - uniform["fc2"]) <= 0.5  # the same, to whole channels
    kept = [point.data.metrics["density"] for point in nested(folder) if epochs(point) == 0][:2]
    assert all(0.28 < density <= 0.3 for density in kept)
    assert shares[0] != shares[1]


def test_what_is_shown_speaks_of_flop(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert swept(folder, *FLOP, "runtime.dashboard=true") == 0
    header, _, *_ = capsys.readouterr().out.splitlines()[1:]
    assert header.split()[:4] == ["trial", "flop", "rate", "density"]
    [study] = runs(folder, "study")
    assert study.data.params["cost"] == "flop"
    note = study.data.tags["mlflow.note.content"]
    assert "in accuracy on val at their flop or below" in note
    assert "| budget | flop | density |" in note


def test_a_finalist_is_computed_again_under_the_same_keys(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finalist = next(point for point in nested(folder) if epochs(point) == 1)
    shares = {name: finalist.data.metrics[f"level/{name}"] for name in CHANNELS}
    overall = float(finalist.data.params["budget.value"])
    levels = scale({name: share / overall for name, share in shares.items()})
    before = {run.info.run_id for run in runs(folder)}
    monkeypatch.setattr(Runner, "_made", None)
    words = ("criterion=channel_magnitude", levels, "curve.densities=null", f"curve.units=[{overall!r}]")
    run(*composed(*SMALL, *places(folder), *words))
    [point] = [run for run in runs(folder) if run.info.run_id not in before]
    assert point.data.tags["pruneexp.final_key"] == finalist.data.tags["pruneexp.final_key"]


def test_the_best_network_within_a_cost_is_sought_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recording(tmp_path)
    command = (*FLOP, "study.objective=best", "study.max_cost=0.4", "retrain.epochs=2",
               "study.short_epochs=1", "runtime.dashboard=true")  # fmt: skip
    assert swept(tmp_path, *command) == 0
    trials, found = told(tmp_path), nested(tmp_path)
    assert all(0.99 * 0.4 <= trial.user_attrs["flop"] <= 0.4 for trial in trials[:2])  # one threshold, the same share
    dense = result_of(found[0]).val.dense["top1"]
    for trial in trials:
        assert trial.values == [pytest.approx(dense - trial.user_attrs["val"])]
        assert trial.constraints == {"cost": trial.user_attrs["flop"] - 0.4}
    allowed = sorted(-trial.user_attrs["val"] for trial in trials if trial.user_attrs["flop"] <= 0.4)
    begun = {int(point.data.params["trial"]) for point in found if epochs(point) == 1}
    chosen = [-trials[number].user_attrs["val"] for number in begun - {0, 1}]  # beside the baselines
    assert {0, 1} <= begun
    assert set(chosen) <= set(allowed[:2]) <= {-trials[number].user_attrs["val"] for number in begun}
    best = max((point for point in found if epochs(point) == 2), key=lambda point: point.data.metrics["val.after.top1"])
    [study] = runs(tmp_path, "study")
    assert {"objective": "best", "max_cost": "0.4"}.items() <= study.data.params.items()
    number, metrics = int(best.data.params["trial"]), study.data.metrics
    assert (metrics["best.trial"], metrics["best.cost"]) == (number, best.data.metrics["share/flop"])
    assert metrics["best.val.after.top1"] == best.data.metrics["val.after.top1"]
    assert "within 0.4 of the dense flop" in study.data.tags["mlflow.note.content"]
    shown = capsys.readouterr().out
    assert f"\nbest on val: trial {number}, with {metrics['best.val.after.top1']:.2f} (" in shown
    monkeypatch.setattr(Runner, "_made", None)
    assert swept(tmp_path, *command) == 0
    assert capsys.readouterr().out == shown
    assert len(nested(tmp_path)) == len(found)
    assert swept(tmp_path, *command, "study.max_cost=0.5") == 2
    assert "the study mine exists and is of another " in capsys.readouterr().err


def test_nothing_keeps_to_a_cost_below_that_of_the_fewest_channels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording(tmp_path)
    assert swept(tmp_path, *FLOP, "study.objective=best", "study.max_cost=0.0001") == 0
    assert capsys.readouterr().err.splitlines() == [
        "pruneexp: study.baselines: global is left out, as it never costs at most 0.0001",
        "pruneexp: study.baselines: uniform is left out, as it never costs at most 0.0001",
        "pruneexp: no trial costs at most 0.0001 of the dense network's flop, so that none is retrained in full",
    ]


def test_a_study_of_another_cost_is_another_study(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert swept(folder, *STUDY) == 2
    assert capsys.readouterr().err.startswith("sweeps: the study mine exists and is of another cost: ")


def test_latency_is_measured_once_for_each_size_and_of_one_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timed: list[set[str]] = []
    monkeypatch.setattr(sizes, "SECONDS", 0.001)

    def by_turns(calls: Any, wait: Any, *, seconds: float) -> Any:
        timed.append(set(calls))
        return clock.by_turns(calls, wait, seconds=seconds)

    monkeypatch.setattr(sizes, "by_turns", by_turns)
    recording(tmp_path)
    command = (*STUDY, "study.cost=latency", "study.batch=2")
    assert swept(tmp_path, *command) == 0
    trials = told(tmp_path)
    assert len(timed) == len({tuple(round(share * CHANNELS[name]) for name, share in trial.params.items())
                              for trial in trials})  # fmt: skip
    assert all(0 < trial.values[1] < 5 for trial in trials)
    assert timed[0] == {"whole", "small"}
    count = len(timed)
    assert swept(tmp_path, *command) == 0
    assert len(timed) == count
    monkeypatch.setattr(costs, "machine_of", lambda _: {"processor": "another"})
    assert swept(tmp_path, *command) == 2
    assert capsys.readouterr().err.startswith("sweeps: the study mine exists and is of another machine: ")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("study.cost=latency", "criterion=layer_std"), "study.cost=latency: a network runs as long as before where "),
        (("study.cost=bytes",), "study.cost=bytes: without the channels that criterion=channel_magnitude cuts "),
        (("study.baselines=[global,erk]",), "study.baselines: erk is of single weights, and criterion=channel_"),
        (("criterion=taylor",), "criterion=taylor has no level of its own for each layer: search with criterion=layer"),
        (("study.levels=[1.5]",), "study.levels holds 1.5: units (kept / total units of the criterion) lie in (0, 1]"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_said_before_training(
    words: tuple[str, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert swept(tmp_path, *STUDY, *words, "plan=true") == 2
    err = capsys.readouterr().err
    assert err.startswith(f"sweeps: {sentence}")
    assert err.count("\n") == 1


def test_a_network_that_cannot_be_made_smaller_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fixed(*_: object) -> None:
        raise UserError("channels cannot be taken out of Net, as its code needs the sizes it was made with: 300")

    monkeypatch.setattr(sizes, "removed", fixed)
    assert swept(tmp_path, *FLOP, "plan=true") == 2
    assert capsys.readouterr().err.startswith("sweeps: study.cost=flop: channels cannot be taken out of Net, as ")


def test_rows_are_units_too_and_what_nothing_bears_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording(tmp_path)
    rows = ("criterion=row_magnitude", "criterion.exclude=[fc3]", "study.baselines=[]", "study.trials=2")
    assert swept(tmp_path, *STUDY, *rows, "study.cost=parameters", "study.objective=smallest", "study.max_drop=0",
                 "study.levels=[0.02,0.01]", "study.cliff=1000") == 0  # fmt: skip
    out, err = capsys.readouterr()
    assert err == "pruneexp: no trial loses at most 0 points of val accuracy, so that none is retrained in full\n"
    assert out.splitlines()[0] == "2 trials: 2 complete, 0 given up, 0 failed"
    assert {tuple(trial.params) for trial in told(tmp_path)} == {("fc1", "fc2")}
