"""What a user types and Hydra's grammar cannot read: a home by its ``~``, and flags after overrides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from pruneexp.__main__ import main
from pruneexp.config.skeleton import conf_folder
from sweeps.compose import read
from sweeps.storing import open_storage
from tests.contracts.composing import SMALL

#: Data sets that are read from files, by their YAML.
WITH_FILES = [path.stem for path in sorted((conf_folder() / "data").glob("*.yaml")) if "\nroot:" in path.read_text()]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    GlobalHydra.instance().clear()
    return tmp_path / "home"


def said(capsys: pytest.CaptureFixture[str], words: Sequence[str], status: int = 0) -> str:
    assert main(words) == status
    shown = capsys.readouterr()
    return shown.out + shown.err


@pytest.mark.parametrize(
    ("data", "form"), [(name, "data.root=~/sets") for name in WITH_FILES] + [("mnist", "data.root='~/sets'")]
)
def test_data_lie_in_a_home(data: str, form: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert str(home / "sets") in said(capsys, [f"data={data}", form, "model=lenet5", "device=cpu"], 2)


@pytest.mark.parametrize("quote", ["", "'"])
def test_the_store_lies_in_a_home(quote: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{home}/store\n" in said(capsys, [*SMALL, f"runtime.store={quote}~/store{quote}", "plan=true"])


def test_studies_are_kept_in_a_home(home: Path) -> None:
    command = read(["study=layer_thresholds", "study.storage='sqlite:///~/studies.db'"])
    open_storage(command.study.storage, Path("unused"))
    open_storage("~/studies.journal", Path("unused"))
    assert {"studies.db", "studies.journal"} <= {path.name for path in home.iterdir()}


@pytest.mark.parametrize(
    "words",
    [["-m", "--config-dir", "mine", *SMALL], [*SMALL[:2], "-m", *SMALL[2:], "--config-dir=mine"],
     [*SMALL, "--config-dir", "mine", "--multirun"]],
)  # fmt: skip
def test_flags_stand_anywhere(words: list[str], home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine").mkdir()
    assert "2 asked" in said(capsys, [*words, "seed=0,1", "curve.densities=[0.5]", "plan=true"])


@pytest.mark.parametrize("word", ["reg=[l1", "runtime.tags={a: ~}", "data.root=(~/x"])
def test_what_cannot_be_read_is_said_as_it_was_typed(word: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"{word}: cannot be read" in said(capsys, [word], 2)
