"""Sweeps as a whole: run, resumed, failed in part, and disturbed by somebody in the MLflow UI."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from pruneexp import schema
from pruneexp.__main__ import main as pruneexp
from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.state import JobState, write_state
from pruneexp.status import main as status
from tests.contracts.sweeping import SWEEPS, Folder, recorded


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    return Folder(tmp_path, monkeypatch)


def test_a_sweep_is_planned_run_and_resumed(folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
    folder.write("mine", "zip: {reg: [l1, l2], seed: [0, 1]}\ninclude: [{reg: l2, seed: 1, mode: scratch_e}]\n")
    assert folder("mine.yaml", "plan=true") == 0
    assert not SWEEPS.exists()
    planned = capfd.readouterr().out
    assert "jobs      3 asked, 0 recorded whole" in planned
    assert "dense     2 to train (4 epochs), 0 in the store" in planned  # of three jobs, two share one
    assert folder("mine.yaml") == 0
    points = recorded(folder.client)
    assert Counter(tags[schema.JOB] for tags in points.values()) == {"0": 2, "1": 2, "2": 2}
    assert {tags[schema.SWEEP] for tags in points.values()} == {"mine"}
    assert {tags[schema.SWEEP] for tags in recorded(folder.client, "curve").values()} == {"mine"}
    *_, ended, page = said = capfd.readouterr().out.splitlines()
    lines = [line for line in said if line.startswith("job ")]
    told = ["l1 · seed 0", "l2 · seed 1", "l2 · seed 1 · scratch_e"]
    assert [re.sub(r" · \d+ s$", "", line) for line in lines] == [
        f"job {number}/3 · {choices} · 2 points" for number, choices in enumerate(told, 1)
    ]
    assert said[said.index(lines[-1]) + 1].split()[:5] == ["reg", "seed", "mode", "budget", "density"]
    rows = [line.split() for line in said[said.index(lines[-1]) + 2 :][:9]]
    assert [row[:3] for row in rows[:3]] == [["l1", "0", budget] for budget in ("dense", "d=0.5", "d=0.1")]
    assert [float(value) for value in rows[0][3:4]] == [1.0]
    assert said.count(lines[0]) == sum("budget" in line for line in said) == 1  # no table of each job
    assert ended == "sweep mine: all 3 jobs are done, 6 points"
    assert page.startswith("dashboard http://127.0.0.1:5000/#/experiments/")
    assert "viewStateShareKey=pruneexp-tradeoff&" in page
    assert sum(line.startswith("dashboard") for line in said) == 1
    assert re.search(
        rf"^  work      {re.escape(f'{cost(folder):.2g}')} FLOP, about \d\S*( to \d\S*)? \S+$", planned, re.M
    )

    trained = folder.trained()
    gone = next(run for run, tags in points.items() if tags[schema.JOB] == "1")
    folder.client.delete_run(gone)
    assert folder("mine.yaml") == 0
    assert "points    6 asked, 6 in the store, 6 recorded" in capfd.readouterr().out
    assert [state.attempt for state in folder.states("mine")] == [1, 1, 1]
    assert trained == []
    assert recorded(folder.client).keys() == points.keys() - {gone}  # what the user deleted stays deleted


def test_a_job_that_failed_is_done_when_others_have_recorded_its_points(folder: Folder) -> None:
    folder.write("mine", "product: {seed: [0, 1]}\n")
    assert folder("mine.yaml") == 0
    trained = folder.trained()
    write_state(SweepFolder(SWEEPS, "mine"), 1, JobState(state="failed", attempt=1, points=2, reason="MemoryError"))
    assert folder("mine.yaml") == 0
    assert [(state.state, state.done) for state in folder.states("mine")] == [("done", 2), ("done", 2)]
    assert trained == []


def test_a_job_that_died_between_its_last_point_and_its_end_is_started_again(folder: Folder) -> None:
    folder.write("mine", "product: {seed: [0, 1]}\n")
    assert folder("mine.yaml") == 0
    note = next(path for path in Path(".pruneexp/store").glob("records/*/paid/curve-*.json"))
    note.write_text(note.read_text().replace("FINISHED", "KILLED"))
    trained = folder.trained()
    assert folder("mine.yaml") == 0
    assert sorted(state.attempt for state in folder.states("mine")) == [1, 2]
    assert "FINISHED" in note.read_text()
    assert trained == []


def cost(folder: Folder) -> float:
    """FLOP of all epochs that the recorded points are made of, each as dear as one of the dense network."""
    dense, epochs, each = set(), 0.0, 0.0
    for run in folder.client.search_runs([folder.experiment], "tags.`pruneexp.kind` = 'point'"):
        ledger = {name.removeprefix("ledger."): value for name, value in run.data.metrics.items()}
        if run.data.tags["pruneexp.dense_key"] not in dense:
            dense.add(run.data.tags["pruneexp.dense_key"])
            epochs += ledger["dense.epochs"]
        epochs += ledger["retrain.epochs"] + ledger["scratch.epochs"]
        each = ledger["dense.flop"] / ledger["dense.epochs"]
    return each * epochs


def test_runs_carry_the_tags_that_they_are_searched_by(folder: Folder) -> None:
    folder.write("mine", "product: {seed: [0, 1]}\n")
    assert folder("mine.yaml", "runtime.tags={paper: mine, figure: 5}") == 0
    asked = "tags.paper = 'mine' and tags.figure = '5' and tags.sweep = 'mine'"
    found = folder.client.search_runs([folder.experiment], asked)
    assert Counter(run.data.tags[schema.KIND] for run in found) == {"curve": 2, "point": 4}
    curves = {run.info.run_id: run for run in found if run.data.tags[schema.KIND] == "curve"}
    for point in found:
        if point.info.run_id not in curves:
            curve = curves[point.data.tags["mlflow.parentRunId"]]
            assert point.data.tags[schema.CURVE] == curve.data.tags[schema.CURVE] == curve.info.run_name
    assert len({run.info.run_name for run in curves.values()}) == 2
    assert folder.client.search_runs([folder.experiment], "tags.paper = 'theirs'") == []


@pytest.mark.slow
def test_a_changed_sweep_is_refused_and_goes_by_another_name(folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
    folder.write("mine", "product: {seed: [0, 1]}\n")
    assert folder("mine.yaml") == 0
    folder.write("mine", "product: {seed: [0, 2]}\n")
    capfd.readouterr()
    assert folder("mine.yaml") == 2
    said = capfd.readouterr().err
    assert "runtime.sweep=NAME" in said
    assert [line[-6:] for line in said.splitlines() if line[0] in "-+"] == ["seed=1", "seed=2"]
    assert folder("mine.yaml", "runtime.sweep=other") == 0
    assert [(state.state, state.attempt) for state in folder.states("other")] == [("done", 0), ("done", 1)]
    assert Counter(tags[schema.SWEEP] for tags in recorded(folder.client).values()) == {"mine": 4, "other": 2}


@pytest.mark.slow
def test_what_fails_is_left_alone_until_it_is_asked_for(folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
    folder.write("mine", "product: {train.lr: [0.01, 1.0e+20, 0.02]}\n")
    assert folder("mine.yaml") == 1
    assert "of 3 jobs 2 done, 1 failed; python -m pruneexp.status mine tells why" in capfd.readouterr().err
    assert folder("mine.yaml") == 1
    assert [(state.state, state.attempt) for state in folder.states("mine")] == [
        ("done", 1),
        ("failed", 1),
        ("done", 1),
    ]
    assert folder("mine.yaml", "hydra.sweeper.retry=true") == 1
    assert [state.attempt for state in folder.states("mine")] == [1, 2, 1]
    capfd.readouterr()
    assert status(["mine"]) == 1
    said = capfd.readouterr().out
    assert "3 asked, 2 done, 1 failed" in said
    assert re.search(r"failed +job 1, lr 1e\+20: 0 of 2 points, .*attempt 2, .*Training diverged", said)


def test_a_plain_sweep_has_a_name_too(folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
    small = ["data=synthetic", "train.epochs=1", "retrain.epochs=0", "curve.densities=[0.5]", "device=cpu"]
    assert pruneexp(["-m", *small, "seed=0,1"]) == 0
    assert status([]) == 0
    listed = capfd.readouterr().out.splitlines()[-1].split()
    assert listed[0].startswith("seed-")
    assert listed[1:] == ["2", "2", "0", "0", "0", "0", "2", "of", "2", "done"]


@pytest.mark.slow
def test_an_experiment_deleted_under_a_sweep_is_named_and_the_sweep_goes_on(
    folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    folder.write("mine", "product: {seed: [0, 1]}\n")

    folder.at_first_epoch("retrain", lambda: folder.client.delete_experiment(folder.experiment))
    assert folder("mine.yaml") == 1
    sentence = "The experiment 'pruneexp' lies deleted in sqlite"
    assert [state.state for state in folder.states("mine")] == ["done", "stopped"]  # the first in the spool, whole
    assert folder.states("mine")[1].reason.startswith(sentence)
    capfd.readouterr()
    assert folder("mine.yaml") == 2
    said = capfd.readouterr().err
    assert f"pruneexp: {sentence}" in said
    assert "mlflow experiments restore" in said
    folder.client.restore_experiment(folder.experiment)
    trained = folder.trained()
    assert folder("mine.yaml") == 0
    assert trained.count("dense") == 1  # of the job that had not begun
    assert len(recorded(folder.client)) == 4


@pytest.mark.slow
def test_a_curve_deleted_under_its_job_is_named_and_made_again(
    folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    folder.write("mine", "product: {seed: [0, 1]}\n")

    def delete() -> None:
        (curve,) = folder.client.search_runs([folder.experiment], "tags.`pruneexp.kind` = 'curve'")
        folder.client.delete_run(curve.info.run_id)

    folder.at_first_epoch("retrain", delete)
    assert folder("mine.yaml") == 0
    assert "Current state is deleted. The work goes on" in capfd.readouterr().err
    curves = recorded(folder.client, "curve")
    assert len(curves) == 2
    assert {tags["mlflow.parentRunId"] for tags in recorded(folder.client).values()} == set(curves)
