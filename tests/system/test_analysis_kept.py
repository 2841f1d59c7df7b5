"""Kept records: the same figures and tables as of the store that they were kept from, and what is not kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.records import layers, open_store, parents, points
from analysis.records.keeping import packed
from tests.contracts.commands import called

JOB = ("data=synthetic", "model=lenet_300_100", "train.epochs=1", "retrain.epochs=1", "runtime.experiment=mine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of two modes under two strengths, which differ in a hash alone, and a file that keeps them."""
    made = tmp_path_factory.mktemp("kept")
    modes = ("mode=prune,scratch_e", "reg.strength=1e-4,5e-4", "curve.densities=[0.3]")
    assert called(made, "-m", *JOB, *modes, "runtime.sweep=few").returncode == 0
    scan = ("study=sensitivity", "study.densities=[0.5,0.1]", "study.resamples=20")
    assert called(made, *scan, *JOB, program="sweeps").returncode == 0
    for program in ("pruneexp.retraining", "pruneexp.stability"):
        looked = called(made, "mode=prune", "--experiment", "mine", program=program)
        assert looked.returncode == 0, looked.stderr
    said = called(made, "keep", "kept/few.parquet", "--experiment", "mine", program="analysis")
    assert said.stdout.startswith("kept/few.parquet: 4 points, 1 scan, ")
    return made


@pytest.mark.parametrize(
    "command",
    [
        ("prune_vs_scratch",),
        ("prune_vs_scratch", "--where", "sweep=few,reg_strength=1e-4"),
        ("audit",),
        ("layers", "--where", "mode=prune,reg_strength=5e-4"),
        ("compare", "mode=prune", "mode=scratch_e"),
        ("sensitivity",),
        ("epochs",),
        ("recovery",),
        ("loss_line", "--where", "reg_strength=5e-4"),
        ("weight_epochs", "--where", "reg_strength=5e-4"),
        ("stability",),
        ("weight_distributions", "--where", "mode=prune,reg_strength=5e-4"),
    ],
    ids=" ".join,
)
def test_tables_of_kept_records_are_those_of_the_store(folder: Path, command: tuple[str, ...]) -> None:
    name, *rest = command
    for out, source in (("store", ("--experiment", "mine")), ("file", ("--tracking-uri", "kept/few.parquet"))):
        said = called(folder, name, *rest, *source, "--out", out, program="analysis")
        assert said.returncode == int(name == "audit"), said.stderr  # there is no control, for one
    tables = sorted((folder / "store").glob(f"{name}*.csv"))
    assert tables
    assert [(folder / "file" / one.name).read_text() for one in tables] == [one.read_text() for one in tables]


def test_points_and_what_their_curves_tell_are_kept(folder: Path) -> None:
    file, store = str(folder / "kept/few.parquet"), f"sqlite:///{folder / 'mlflow.db'}"
    assert points(file).records.equals(points(store, ["mine"]).records)
    above = parents.parents(file, ["mine"])
    assert above == parents.parents(store, ["mine"])
    runs = [one.run_id for one in above]
    kept, logged = parents.origins(file, runs), parents.origins(store, runs)
    for run in runs:
        assert kept[run].config == {key: value for key, value in logged[run].config.items() if key != "runtime"}
        assert "host" in logged[run].environment["machine"]
        assert "host" not in kept[run].environment["machine"]


def test_a_kept_file_keeps_itself_and_a_choice_keeps_less(folder: Path) -> None:
    file = folder / "kept/few.parquet"
    everything = points(str(file)).records["run_id"].to_pylist()
    scans = [run.run_id for run in open_store(str(file)).runs("scan", ["mine"])]
    assert packed(str(file), everything, scans) == file.read_bytes()
    assert str(folder).encode() not in file.read_bytes()
    (folder / "one.parquet").write_bytes(packed(str(file), everything[:1]))
    assert points(str(folder / "one.parquet")).records["run_id"].to_pylist() == everything[:1]
    assert len(open_store(str(folder / "one.parquet")).runs("curve", ["mine"])) == 1


def test_what_is_kept_by_and_by_is_what_is_kept_at_once(folder: Path) -> None:
    words = ("keep", "parts.parquet", "--experiment", "mine", "--add")
    for strength, told in (("1e-4", ""), ("5e-4", ", beside 2 points"), ("5e-4", ", beside 4 points")):
        said = called(folder, *words, "--where", f"reg_strength={strength}", program="analysis").stdout
        assert said.startswith("parts.parquet: 2 points")
        assert told in said
    parts, whole = str(folder / "parts.parquet"), str(folder / "kept/few.parquet")
    of_parts, of_whole = (points(file).records.sort_by("run_id") for file in (parts, whole))
    assert of_parts.equals(of_whole)
    assert sorted(parents.parents(parts, ["mine"])) == sorted(parents.parents(whole, ["mine"]))
    runs = of_whole["run_id"].to_pylist()
    assert layers(parts, runs) == layers(whole, runs)
    assert open_store(parts).tagged("sweep", "point", ["mine"]) == open_store(whole).tagged("sweep", "point", ["mine"])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("keep", "few.csv"), "few.csv: kept records go into a file whose name ends in .parquet."),
        (("list", "--tracking-uri", "none.parquet"), "none.parquet not found in "),
        (("list", "--tracking-uri", "other.parquet"), "other.parquet cannot be read as kept records"),
        (("keep", "other.parquet", "--experiment", "mine", "--add"), "other.parquet cannot be read as kept records"),
        (("keep", "one.parquet", "--experiment", "none"), "has no experiment 'none'"),
        (("report", "--attach", "--tracking-uri", "kept/few.parquet"), "kept records have no run to put a page on"),
    ],
)
def test_what_is_no_kept_record_is_said(folder: Path, words: tuple[str, ...], sentence: str) -> None:
    (folder / "other.parquet").write_text("something else")
    said = called(folder, *words, program="analysis")
    assert said.returncode == 2
    assert sentence in said.stderr
