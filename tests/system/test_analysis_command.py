"""The command: what it makes, what it says, and what it never loads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.__main__ import main
from tests.contracts.points import logged, point, tracking_file
from tests.contracts.scans import logged_scans, scan, scan_file, study_file

ROOT = Path(__file__).parents[2]
SEVERAL = (
    "4 different points are logged, and one budget of one curve is shown, over its seeds: choose with --where by mode, "
    "budget.value."
)
NO_STUDY = (
    "no study's points, retrained, are logged (of searches over channels none counts): "
    "`python -m sweeps study=layer_thresholds` makes them."
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small study in its mlflow.db, to stand in."""
    study_file(tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _run(code: str, folder: Path) -> tuple[str, set[str]]:
    """What this code prints in a process of its own, and the top-level packages that it has loaded then."""
    program = f"{code}\nimport sys\nprint(*sorted(name for name in sys.modules if '.' not in name))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    made = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    said, _, loaded = made.stdout.rstrip("\n").rpartition("\n")
    return said, set(loaded.split())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, set[str]]:
    """A folder with the study in which a process has run ``all``, what it printed, and what it had loaded."""
    folder = tmp_path_factory.mktemp("made")
    study_file(folder / "mlflow.db")
    return folder, *_run("from analysis.__main__ import main\nassert main(['all']) == 0", folder)


def test_all_makes_every_figure_and_table(made: tuple[Path, str, set[str]]) -> None:
    folder, said, _ = made
    figure, table = ("png", "svg"), ("md", "tex")
    stems = {f"{name}-mnist5k-lenet5": figure for name in ("tradeoff", "sensitivity", "parameter_efficiency")}
    stems |= dict.fromkeys(
        ("audit", "claims", "fairness", "headline", "prune_vs_scratch", "scorecard", "verdicts"), table
    )
    expected = {f"{stem}.{end}" for stem, ends in stems.items() for end in (*ends, "csv", "provenance.json")}
    assert set(_files(folder / "reports")) == expected
    paths = {line for line in said.splitlines() if line.startswith("reports/")}
    assert paths == {f"reports/{name}" for name in expected}
    assert "Pruned and fine-tuned, against trained from scratch" in said


def test_a_full_run_never_loads_torch(made: tuple[Path, str, set[str]]) -> None:
    _, _, loaded = made
    assert {"pandas", "matplotlib"} <= loaded
    assert loaded.isdisjoint({"torch", "mlflow", "hydra", "optuna"})


def test_made_twice_every_byte_is_the_same(made: tuple[Path, str, set[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made[0])
    assert main(["all", "--out", "second"]) == 0
    assert _files(made[0] / "second") == _files(made[0] / "reports")


def test_what_is_unchanged_is_not_drawn_again(
    made: tuple[Path, str, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(made[0], tmp_path / "copied")
    monkeypatch.chdir(folder)
    picture, sidecar = (folder / f"reports/tradeoff-mnist5k-lenet5.{end}" for end in ("png", "provenance.json"))
    drawn, told = picture.read_bytes(), sidecar.read_bytes()
    _, loaded = _run("from analysis.__main__ import main\nassert main(['tradeoff']) == 0", folder)
    assert "matplotlib" not in loaded
    picture.write_bytes(b"touched")
    assert main(["tradeoff"]) == 0
    assert (picture.read_bytes(), sidecar.read_bytes()) == (drawn, told)
    assert main(["tradeoff", "--split", "val"]) == 0
    assert picture.read_bytes() != drawn
    tracking_file(folder / "more.db", logged(point(), point(density=0.3)))
    assert main(["tradeoff", "--tracking-uri", "more.db"]) == 0
    assert "density=0.3" in picture.with_suffix(".csv").read_text()


def test_a_figure_is_drawn_per_network_and_data_set(folder: Path) -> None:
    tracking_file(folder / "more.db", logged(point(), point(model="my/net"), point(data="mnist")))
    assert main(["tradeoff", "--tracking-uri", "sqlite:///more.db"]) == 0
    assert {name for name in _files(folder / "reports") if name.endswith(".png")} == {
        "tradeoff-mnist-lenet5.png",
        "tradeoff-mnist5k-lenet5.png",
        "tradeoff-mnist5k-my_net.png",
    }


def test_list_says_what_is_logged_and_what_can_be_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    told = capsys.readouterr().out.splitlines()
    begin = told.index("can be made:")
    assert told[:begin] == [
        "pruneexp: 8 points",
        "  data     model   reg  schedule  mode       criterion        seeds     budgets",
        "  mnist5k  lenet5  l2   one_shot  prune      layer_magnitude  2 (0, 1)  density 0.5 0.1",
        "  mnist5k  lenet5  l2   one_shot  scratch_e  layer_magnitude  2 (0, 1)  density 0.5 0.1",
        "pruneexp: 2 scans",
        "  data     model   reg  criterion        retrain_epochs  seeds     layers  levels",
        "  mnist5k  lenet5  l2   layer_magnitude  0               2 (0, 1)  3       density 0.75 0.5 0.25",
    ]
    assert {*told[begin:]} >= {
        "  sensitivity-mnist5k-lenet5",
        "  tradeoff-mnist5k-lenet5",
        "  headline",
        "  prune_vs_scratch",
        f"  allocations: not yet: {NO_STUDY}",
        "  claims",
    }
    [several] = [line.partition(":")[0] for line in told[begin:] if line.endswith(f": not yet: {SEVERAL}")]
    assert {"kernel_patterns", "layers", "widths"} <= {*several.strip().split(", ")}


def test_list_says_why_something_cannot_be_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tracking_file(folder / "more.db", logged(point(mode="rewind"), experiment="one"))
    assert main(["list", "--tracking-uri", "more.db"]) == 0
    told = capsys.readouterr().out
    assert "one: 1 point\n" in told
    assert "headline: not yet: no point of mode prune is logged" in told
    assert "prune_vs_scratch: not yet: no budget is logged in two modes" in told
    assert "sensitivity: not yet: there is no finished scan in the store: run `python -m sweeps study=" in told


def test_partial_data_makes_what_it_can(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tracking_file(folder / "more.db", logged(point()))
    assert main(["all", "--tracking-uri", "more.db"]) == 0
    assert "prune_vs_scratch: no budget is logged in two modes" in capsys.readouterr().err
    assert main(["prune_vs_scratch", "--tracking-uri", "more.db"]) == 2


def test_scans_alone_make_what_they_can(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scan_file(folder / "more.db", logged_scans(scan(seed=7)))
    assert main(["all", "--tracking-uri", "more.db"]) == 0
    said = capsys.readouterr()
    assert {Path(line).name.partition(".")[0] for line in said.out.splitlines()} == {"sensitivity-mnist5k-lenet5"}
    reasons: dict[str, str] = {}
    for line in said.err.splitlines():
        names, _, reason = line.partition(": ")
        reasons |= dict.fromkeys(names.split(", "), reason)
    for name, noun in (("tradeoff", "finished point of a curve"), ("headline", "finished point of a curve"),
                       ("claims", "finished point of a curve"), ("layers", "finished point")):  # fmt: skip
        assert reasons[name] == f"there is no {noun} in experiment pruneexp: run `python -m pruneexp` first."
    assert main(["list", "--tracking-uri", "more.db"]) == 0
    assert capsys.readouterr().out.startswith("pruneexp: 1 scan\n")


def test_a_store_without_scans_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tracking_file(folder / "more.db", logged(point()))
    assert main(["sensitivity", "--tracking-uri", "more.db"]) == 2
    assert capsys.readouterr().err == (
        "sensitivity: there is no finished scan in experiment pruneexp: run `python -m sweeps study=sensitivity` "
        "first.\n"
    )


def test_points_of_searches_are_listed_and_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = point(density=0.05)
    asked = replace(asked, identity=replace(asked.identity, study="search", trial=4))
    tracking_file(folder / "more.db", logged(point(), asked))
    assert main(["list", "--tracking-uri", "more.db"]) == 0
    told = capsys.readouterr().out
    assert "pruneexp: 1 point\n" in told
    assert "pruneexp: 1 trial\n" in told
    assert "layer_magnitude  search  1 (0)  1\n" in told
    assert main(["tradeoff", "--tracking-uri", "more.db"]) == 0
    assert "density=0.05" not in (folder / "reports/tradeoff-mnist5k-lenet5.csv").read_text()


def test_options_reach_the_figure_and_its_provenance(folder: Path) -> None:
    assert main(["tradeoff", "--split", "val", "--where", "seed=0"]) == 0
    record = json.loads((folder / "reports/tradeoff-mnist5k-lenet5.provenance.json").read_text())
    assert record["options"] == {"split": "val"}
    assert len(record["runs"]) == 2
    assert {run["key"][:6] for run in record["runs"]} == {"point-"}


def test_a_point_logged_again_is_mentioned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tracking_file(folder / "more.db", logged(point(), point(), point(seed=1)))
    assert main(["headline", "--tracking-uri", "more.db"]) == 0
    assert "note: 1 of 3 points were logged again later and are left out" in capsys.readouterr().err
    scan_file(folder / "more.db", logged_scans(scan(), scan()))
    assert main(["all", "--tracking-uri", "more.db"]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note")]
    assert notes == [
        "note: 1 of 3 points were logged again later and are left out",
        "note: 1 of 2 scans were logged again later and are left out",
    ]


def test_an_interrupt_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("analysis.publishing.materials.read", interrupted)
    assert main(["all"]) == 130
    assert capsys.readouterr().err == ("analysis: interrupted; the same command goes on where this one stopped\n")


def test_an_empty_store_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tracking_file(folder / "more.db", logged(point()), status="RUNNING")
    assert main(["list", "--tracking-uri", "more.db"]) == 2
    assert "analysis: there is no finished point of a curve in the store: run" in capsys.readouterr().err


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "from analysis.__main__ import main\n"
        "for words in (['--help'], ['list', '--help']):\n"
        "    try: main(words)\n"
        "    except SystemExit: pass"
    )
    said, loaded = _run(code, tmp_path)
    assert said.count("usage: ") == 2
    assert loaded.isdisjoint({"torch", "mlflow", "pandas", "numpy", "matplotlib"})


def test_tables_are_printed_for_a_terminal_also_where_nothing_is_made_anew(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["headline"]) == 0
    said = capsys.readouterr().out
    table, paths = said.split("reports/", 1)
    assert table.startswith("Pruned without loss (after Han et al. 2015, Table 1)\n\nNetwork ")
    assert "LeNet-5" in table
    assert max(map(len, table.splitlines())) <= 80
    assert not {"|", "\\", "<!--", "**", "lenet5"} & set(table.split())
    assert paths.count("reports/") == 3
    assert main(["headline"]) == 0
    assert capsys.readouterr().out == said
