"""``python -m analysis compare A B``: sides by every name they may have, the files, and what is said of mistakes."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from analysis.__main__ import main
from pruneexp.schema import TradeoffPoint
from tests.contracts.points import logged, point, tracking_file


def _side(reg: str, more: float, criterion: str = "layer_magnitude") -> list[TradeoffPoint]:
    """Three seeds at two densities; the accuracies of the seeds are a tenth of a point apart."""
    return [
        point(reg=reg, seed=seed, density=density, criterion=criterion, after=95.0 + more + seed / 10)
        for seed in range(3)
        for density in (0.5, 0.1)
    ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with two experiments; of one, a sweep recorded the points of L1 and another those of L2."""
    first = logged(*_side("l1", 0.0), *_side("l2", 2.0), experiment="pruneexp")
    more = logged(
        *_side("l2", 3.0, criterion="random"), point(reg="l2", criterion="random", seed=5), experiment="other"
    )
    renamed = [one._replace(run_id="f" + one.run_id[1:]) for one in more]
    tracking_file(tmp_path / "mlflow.db", first)
    tracking_file(tmp_path / "more.db", renamed)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store, store:
        store.execute(f"ATTACH '{tmp_path / 'more.db'}' AS more")
        for table in ("experiments", "runs", "params", "tags", "latest_metrics"):
            store.execute(f"INSERT INTO {table} SELECT * FROM more.{table}")
        for number, one in enumerate(first):
            store.execute("INSERT INTO tags VALUES (?, 'sweep', ?)", (one.run_id, "early" if number < 6 else "late"))
        store.executemany("INSERT INTO tags VALUES (?, 'sweep', 'other')", [(one.run_id,) for one in renamed[:2]])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _rows(folder: Path) -> list[dict[str, str]]:
    (path,) = (path for path in (folder / "reports").glob("*.csv") if "-mnist5k-" not in path.name)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "words",
    [
        ["reg=l1", "reg=l2"],
        ["sweep:early", "late"],
        ["pruneexp,reg=l1", "reg=l2,criterion=layer_magnitude"],
        ["experiment:pruneexp,reg=l1", "sweep=late"],
    ],
)
def test_sides_are_experiments_sweeps_or_conditions(folder: Path, words: list[str]) -> None:
    assert main(["compare", *words, "--where", "seed=0,seed=1,seed=2"]) == 0
    found = [
        (row["first_mean"], row["second_mean"], row["ahead_mean"], row["n"], row["verdict"]) for row in _rows(folder)
    ]
    assert found == [("95.1", "97.1", "2", "3", "better")] * 3


def test_two_experiments(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "pruneexp", "experiment:other"]) == 0
    said = capsys.readouterr()
    assert [row["budget"] for row in _rows(folder)] == ["density=0.5", "density=0.1", "mean"]
    assert "layer_magnitude" in said.out
    assert "Not compared: 6 points of pruneexp, of them those of 1 curve without a partner" in " ".join(
        said.out.split()
    )


def test_a_name_is_that_of_an_experiment_first(folder: Path) -> None:
    assert main(["compare", "reg=l1", "other", "--where", "seed=0"]) == 0
    assert [row["second_n"] for row in _rows(folder)] == ["1", "1", "1"]
    assert len(_rows(folder)[2]["runs"].split()) == 4
    assert main(["compare", "reg=l1", "sweep:other", "--out", "sweep"]) == 0  # two points, of one seed
    with Path("sweep/compare-reg_l1-sweep_other.csv").open(encoding="utf-8", newline="") as file:
        assert [row["second_n"] for row in csv.DictReader(file)] == ["1", "1", "1"]


def test_files_and_where_they_come_from(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "reg=l1", "reg=l2"]) == 0
    stem = "reports/compare-reg_l1-reg_l2"
    told = capsys.readouterr().out.splitlines()
    figure = f"{stem}-mnist5k-lenet5"
    tables, pictures = ("md", "tex", "csv", "provenance.json"), ("png", "svg", "csv", "provenance.json")
    expected = {f"{stem}.{end}" for end in tables} | {f"{figure}.{end}" for end in pictures}
    assert expected <= set(told)
    assert {path.name for path in Path("reports").iterdir()} == {Path(name).name for name in expected}
    with Path(f"{figure}.csv").open(encoding="utf-8", newline="") as file:
        drawn = list(csv.DictReader(file))
    assert sorted(float(row["y_mean"]) for row in drawn) == [95.1, 95.1, 97.1, 97.1]
    assert {row["curve"] for row in drawn} == {"L1", "L2"}
    record = json.loads(Path(f"{stem}.provenance.json").read_text())
    assert len(record["runs"]) == 12
    assert record["options"] == {"first": "reg=l1", "second": "reg=l2"}
    assert "`python -m analysis compare` (first=reg=l1, second=reg=l2)" in Path(f"{stem}.md").read_text()


def test_a_point_that_was_recorded_again_counts_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tracking_file(folder / "again.db", logged(*_side("l1", 5.0), *_side("l1", 0.0), *_side("l2", 2.0)))
    assert main(["compare", "reg=l1", "reg=l2", "--tracking-uri", "again.db"]) == 0
    assert "note: 6 of 12 points of reg=l1 were logged again later and are left out" in capsys.readouterr().err
    assert [(row["first_mean"], row["first_n"]) for row in _rows(folder)] == [("95.1", "3")] * 3


def test_a_margin_makes_sides_equivalent(folder: Path) -> None:
    assert main(["compare", "reg=l1", "reg=l2", "--margin", "3"]) == 0
    assert {row["verdict"] for row in _rows(folder)} == {"equivalent"}


def test_of_two_networks_there_is_a_table_and_no_figure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = [point(model="lenet5", seed=seed) for seed in range(3)]
    second = [point(model="vgg16", seed=seed, after=98.0) for seed in range(3)]
    tracking_file(folder / "networks.db", logged(*first, *second))
    assert main(["compare", "model=lenet5", "model=vgg16", "--tracking-uri", "networks.db"]) == 0
    said = "there is no figure: a picture is of one network, and the sides are of different ones."
    assert said in capsys.readouterr().err
    (row,) = _rows(folder)
    assert (row["ahead_mean"], row["verdict"]) == ("1.5", "better")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["reg=l1", "reg=l1"], "both sides are reg=l1: name two different ones."),
        (["reg=l1", "pruneexp,reg=l1"], "reg=l1 and pruneexp,reg=l1 are the same 6 points: name two different sides."),
        (
            ["reg=l1", "pruneexp"],
            "6 points are on both sides, reg=l1 and pruneexp: choose sides that exclude",
        ),
        (["reg=l1", "reg=l3"], "no point has reg=l3; with the other conditions there is: l1, l2."),
        (["reg=l1", "reg=l1,l2"], "no point has reg=l1,l2 (of several values each has its condition: reg=l1,reg=l2);"),
        (["reg=l1", "rge=l2"], "--where knows no 'rge' of a point (did you mean reg?)"),
        (
            ["prunexp", "reg=l2"],
            "has no experiment or sweep 'prunexp' (did you mean pruneexp?); it has other",
        ),
        (["experiment:early", "reg=l2"], "has no experiment 'early'; it has other, pruneexp."),
        (["sweep:pruneexp", "reg=l2"], "has no sweep 'pruneexp'; it has early, late, other."),
        (["reg=l1", "reg=l2", "--where", "model=lenet"], "no point has model=lenet (did you mean lenet5?)"),
        (["reg=l1", "reg=l2", "--metric", "top9"], "--metric=top9: the records are judged by top1."),
    ],
)
def test_a_mistake_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(["compare", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert told in said.err


def test_one_side_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "reg=l1"]) == 2
    assert "the following arguments are required: B" in capsys.readouterr().err
