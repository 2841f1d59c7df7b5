"""Figures and tables of a third party, from a folder that no file of ours names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.publishing import catalogue
from tests.contracts.points import logged, point, tracking_file

THIRD_PARTY = Path(__file__).parents[1] / "third_party"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two points in its mlflow.db, and the third party's files in ``own``."""
    tracking_file(tmp_path / "mlflow.db", logged(point(density=0.5), point(density=0.1)))
    for kind in ("figures", "tables"):
        shutil.copytree(THIRD_PARTY / kind, tmp_path / "own" / kind, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_they_are_listed_and_made_beside_ours(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--plugins", "own"]) == 0
    assert "kept_bytes" in capsys.readouterr().out
    assert main(["all", "--plugins", "own"]) == 0
    made = {path.name for path in (folder / "reports").iterdir()}
    assert {"kept-mnist5k-lenet5.png", "kept-mnist5k-lenet5.csv", "kept_bytes.md", "headline.md"} <= made
    assert "Bytes stored" in capsys.readouterr().out


def test_their_options_are_those_of_their_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kept", "--plugins", "own", "--least", "0.3"]) == 0
    assert (folder / "reports/kept-mnist5k-lenet5.csv").read_text().count("0.5,") == 1
    assert "0.1," not in (folder / "reports/kept-mnist5k-lenet5.csv").read_text()
    with pytest.raises(SystemExit):
        main(["kept", "--plugins", "own", "--help"])
    assert "the smallest density that is drawn" in capsys.readouterr().out


def test_what_is_unchanged_stays_and_an_edit_makes_it_anew(folder: Path) -> None:
    table, code = folder / "reports/kept_bytes.md", folder / "own/tables/kept_bytes.py"
    assert main(["kept_bytes", "--plugins", "own"]) == 0
    first = table.stat().st_mtime_ns
    assert main(["kept_bytes", "--plugins", "own"]) == 0
    assert table.stat().st_mtime_ns == first
    code.write_text(code.read_text().replace("Bytes stored", "Bytes on disk"))
    catalogue.loaded.cache_clear()  # another process would read the file anew
    assert main(["kept_bytes", "--plugins", "own"]) == 0
    assert "Bytes on disk" in table.read_text()


@pytest.mark.parametrize(
    ("path", "text", "sentence"),
    [
        ("tables/headline.py", "", "own/tables/headline.py has the name of one of ours: rename it."),
        ("figures/all.py", "", "own/figures/all.py has the name of one of ours: rename it."),
        ("tables/broken.py", "def", "own/tables/broken.py is no Python: invalid syntax (<unknown>, line 1)"),
        ("tables/fails.py", "import no_such_module", "own/tables/fails.py cannot be imported: No module named"),
        ("tables/empty.py", "", "own/tables/empty.py lacks data, rows: docs/own.md says what a figure or table"),
    ],
)
def test_a_mistake_is_one_sentence(
    folder: Path, path: str, text: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "own" / path).write_text(text)
    assert main([Path(path).stem, "--plugins", "own"]) == 2
    assert capsys.readouterr().err.startswith(f"analysis: {sentence}")


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_any_is_one_sentence(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--plugins", name]) == 2
    assert capsys.readouterr().err == (
        f"analysis: --plugins {name}: there is neither a figures/NAME.py nor a tables/NAME.py in this folder.\n"
    )
