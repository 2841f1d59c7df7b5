"""The command line of analysis: where options may stand, what conditions are, and what is said of mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.commands.options import conditions
from tests.contracts.scans import study_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small study in its mlflow.db, to stand in."""
    study_file(tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["tradeoff", "--where", "seed=1,budget.value=0.5"],
        ["--where", "seed=1", "tradeoff", "--where", "budget.value=0.5"],
        ["--where=budget.value=0.5,seed=1", "tradeoff", "--split", "test"],
    ],
)
def test_conditions_stand_together_or_apart_before_or_after_the_command(folder: Path, words: list[str]) -> None:
    assert main(words) == 0
    record = json.loads((folder / "reports/tradeoff-mnist5k-lenet5.provenance.json").read_text())
    assert len(record["runs"]) == 1


def test_a_value_may_hold_commas() -> None:
    given = ["prunable=conv,linear,reg=l1", "reg=l2", "path=0.5,0.2", "budget.value=0.1"]
    assert conditions(given) == {
        "prunable": ["conv,linear"], "reg": ["l1", "l2"], "path": ["0.5,0.2"], "budget.value": ["0.1"],
    }  # fmt: skip


def test_the_help_of_one_command_tells_its_options_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["headline", "--help"])
    told = capsys.readouterr().out
    assert told.startswith("usage: python -m analysis headline ")
    assert {"--epsilon", "--where"} <= set(told.split())
    assert "--split" not in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["all", "--tracking-uri", "sqlite:///none.db"], "none.db not found in"),
        (["list", "--tracking-uri", ""], "--tracking-uri '' is neither a database"),
        (["list", "--tracking-uri", "."], "nor the address of a server, such as http://127.0.0.1:5000 (did you mean"),
        (["all", "--experiment", "study"], "has no experiment 'study'; it has pruneexp"),
        (["all", "--experiment", "prunexp"], "has no experiment 'prunexp' (did you mean pruneexp?); it has pruneexp"),
        (
            ["tradeoff", "--where", "criteron=random"],
            "--where knows no 'criteron' of a point (did you mean criterion?)",
        ),
        (["tradeoff", "--where", "mode=scratch_b"], "no point has mode=scratch_b (did you mean scratch_e?); with the"),
        (["tradeoff", "--where", "seed=0,reg=l1"], "no point has reg=l1; with the other conditions there is: l2."),
        (["tradeoff", "--where", "reg=l3"], "no point has reg=l3"),
        (["compare", "reg=l2", " "], "a side is empty: name an experiment or a sweep, or give conditions such as"),
        (["sensitivity", "--where", "reg=l3"], "no scan has reg=l3"),
        (["sensitivity", "--where", "mode=prune"], "no 'mode' of a scan (did you mean model?); it knows model, data"),
        (["all", "--where", "reg"], "--where takes COLUMN=VALUE"),
        (["headline", "--epsilon", "-1"], "--epsilon must be 0 or more"),
        (["headline", "--out", "mlflow.db"], "mlflow.db cannot be written to"),
    ],
)
def test_a_mistake_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert told in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "analysis: say what to make: list, "),
        (["tradeof"], "analysis: there is no command 'tradeof' (did you mean tradeoff?); there are list, "),
        (["tradeoff", "--split", "train"], "analysis: --split: invalid choice: 'train' (choose from "),
        (["list", "--split", "val"], "analysis: --split: no such option; python -m analysis list --help lists them"),
        (["list", "--where"], "analysis: --where: expected one argument; "),
        (
            ["list", "reg=l1"],
            "analysis: reg=l1: no such option; python -m analysis list --help lists them (did you mean ",
        ),
    ],
)
def test_a_wrong_command_line_is_refused(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith(told)
    assert said.count("\n") == 1
