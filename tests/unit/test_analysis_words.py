"""What is told of settings: values with their names, and words of the configuration in the place of hashes."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.figures import tradeoff
from analysis.records import frames
from analysis.statistics import selection, settings
from analysis.statistics.conditions import number, phrase, words
from pruneexp.schema import CURVE_KEY, KIND, TradeoffPoint
from tests.contracts.points import logged, point, tracking_file, with_settings


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("reg", "l1_then_l2", "L1 then L2"),
        ("reg", "mine", "mine"),
        ("reg_strength", 1e-4, "λ = 1e-4"),
        ("reg_strength", 2.5e-5, "λ = 2.5e-5"),
        ("reg_strength", 0.0, "λ = 0"),
        ("retrain_lr_factor", 0.1, "first rate × 0.1"),
        ("min_keep", 8, "min keep 8"),
        ("rounds", 5.0, "5 rounds"),
        ("rounds", 1.0, "1 round"),
        ("exclude", None, "no exclude"),
        ("criterion", "layer_magnitude", "layer_magnitude"),
        ("a_key_of_tomorrow", 3, "a key of tomorrow 3"),
        ("retrain_epochs", 0, "no retraining"),
        ("retrain_epochs", 1, "1 epoch of retraining"),
    ],
)
def test_a_condition_says_what_its_value_is_of(name: str, value: Any, told: str) -> None:
    assert phrase(name, {name: value}) == told


def test_epochs_of_training_and_retraining_are_one_phrase() -> None:
    key = {"train_epochs": 6, "retrain_epochs": 2.0, "criterion": "random"}
    assert words(key, ("criterion", "train_epochs", "retrain_epochs")) == "random, 6 + 2 epochs"
    assert words(key, ("retrain_epochs",)) == "6 + 2 epochs"
    assert words(key, ("train_epochs",)) == "6 epochs of training"
    again = {**key, "mode": "lr_rewind", "rewind_epoch": float("nan")}  # the rates of all epochs, or from one on
    assert words(again, ("retrain_epochs",)) == "6 + 6 epochs"
    assert words({**again, "mode": "rewind", "rewind_epoch": 2}, ("retrain_epochs",)) == "6 + 4 epochs"


@pytest.mark.parametrize(
    ("value", "told"), [(0.5, "0.5"), (30.0, "30"), (1e-6, "1e-6"), (1.25e-3, "1.25e-3"), (7, "7")]
)
def test_numbers_are_written_as_people_do(value: float, told: str) -> None:
    assert number(value) == told
    assert float(told) == value


class TestSettings:
    """Points whose hashes stand for configurations, which are handed out as a store would."""

    def told(self, *made: tuple[TradeoffPoint, Mapping[str, Any]]) -> pd.DataFrame:
        records = logged(*(one for one, _ in made))
        configurations = {record.run_id: config for record, (_, config) in zip(records, made, strict=True)}

        def read(run_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
            return {run_id: configurations[run_id] for run_id in run_ids if configurations[run_id]}

        return settings.told(selection.latest(frames.frame(records)), frames.POINTS, read)

    def one(self, hashed: str, config: Mapping[str, Any], **other: Any) -> tuple[TradeoffPoint, Mapping[str, Any]]:
        made = with_settings(point(before=None), prune_settings=hashed, point_key=f"{hashed} {other}", **other)
        return made, {"criterion": {"min_keep": other.get("min_keep", 1), **config}, "seed": 1}

    def test_a_hash_becomes_the_values_that_differ(self) -> None:
        rows = self.told(self.one("1a2b3c4d", {"score": {"temperature": 0.5}, "exempt": []}),
                         self.one("5e6f7a8b", {"score": {"temperature": 2.0}, "exempt": []}))  # fmt: skip
        assert list(rows["prune_settings"]) == ["temperature 0.5", "temperature 2"]
        made = tradeoff.data(rows)
        assert [name for name, _ in tradeoff.legend(made)] == ["temperature 0.5", "temperature 2"]

    def test_targets_lists_and_what_is_absent(self) -> None:
        rows = self.told(self.one("1a2b3c4d", {"allocation": {"_target_": "mine.Erk"}}),
                         self.one("5e6f7a8b", {"allocation": {"_target_": "mine.own.NOfMWide"}}))  # fmt: skip
        assert set(rows["prune_settings"]) == {"allocation ERK", "allocation n_of_m_wide"}
        rows = self.told(self.one("1a2b3c4d", {"exempt": []}), self.one("5e6f7a8b", {"exempt": ["fc1", "fc2"]}))
        assert set(rows["prune_settings"]) == {"no exempt", "exempt fc1 and fc2"}

    def test_what_has_a_name_is_not_told_again(self) -> None:
        made = [self.one(f"{keep}hash{heat}", {"score": {"temperature": heat}}, min_keep=keep)
                for keep in (1, 8) for heat in (0.5, 2.0)]  # fmt: skip
        rows = self.told(*made)
        assert set(zip(rows["min_keep"], rows["prune_settings"], strict=True)) == {
            (1, "temperature 0.5"), (1, "temperature 2"), (8, "temperature 0.5"), (8, "temperature 2")
        }  # fmt: skip

    def test_what_names_tell_apart_keeps_its_hash(self) -> None:
        made = [self.one(f"hash{keep}", {"score": {}}, min_keep=keep) for keep in (1, 8)]
        assert set(self.told(*made)["prune_settings"]) == {"hash1", "hash8"}

    @pytest.mark.parametrize("config", [{}, {"score": {"temperature": 2.0}}])
    def test_what_no_configuration_says_becomes_a_letter_and_never_a_hash(self, config: Mapping[str, Any]) -> None:
        first, second = self.one("1a2b3c4d", config), self.one("5e6f7a8b", config)
        unknown = [(one, config and all_of) for one, all_of in (first, second)]
        rows = self.told(*unknown)
        assert list(rows["prune_settings"]) == ["settings A", "settings B"]
        made = tradeoff.data(rows)
        labels = [name for name, _ in tradeoff.legend(made)]
        assert labels == ["settings A", "settings B"]
        assert "Settings with a letter differ in what no record says, such as their code." in tradeoff.caption(made)
        assert not any(re.search("[0-9a-f]{8}", name) for name in labels)

    def test_points_stay_as_many_as_they_were(self) -> None:
        made = [self.one("1a2b3c4d", {"score": {"temperature": 0.5}}), self.one("5e6f7a8b", {})]
        made.append((with_settings(made[0][0], model="vgg16"), {}))
        rows = self.told(*made)
        assert len(rows) == len(selection.latest(rows)) == 3


class TestStore:
    """The same from the files of a store: points are under curves, which carry the configurations."""

    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        points = [with_settings(point(before=None), prune_settings=name, curve_key=name, point_key=name)
                  for name in ("1a2b3c4d", "5e6f7a8b")]  # fmt: skip
        path = tracking_file(tmp_path / "mlflow.db", logged(*points))
        with closing(sqlite3.connect(path)) as connection, connection:
            for name, heat in (("1a2b3c4d", 0.5), ("5e6f7a8b", 2.0)):
                folder = tmp_path / f"curve {name}"
                folder.mkdir()
                folder.joinpath("config.yaml").write_text(f"criterion: {{score: {{temperature: {heat}}}}}\n")
                folder.joinpath("environment.json").write_text("{}")
                run = (name, "pruneexp", "FINISHED", 1, 2, "active", str(folder))
                connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", run)
                tags = {KIND: "curve", CURVE_KEY: name}
                connection.executemany("INSERT INTO tags VALUES (?, ?, ?)", [(name, *tag) for tag in tags.items()])
        return path

    @pytest.mark.usefixtures("store")
    def test_figures_and_the_list_say_what_differs(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["tradeoff", "--format", "svg"]) == 0
        assert list(pd.read_csv("reports/tradeoff-mnist5k-lenet5.csv")["curve"]) == ["temperature 0.5", "temperature 2"]
        capsys.readouterr()
        assert main(["list"]) == 0
        listed = capsys.readouterr().out.splitlines()[2:4]
        assert ["temperature 0.5" in listed[0], "temperature 2" in listed[1]] == [True, True]

    @pytest.mark.parametrize("told", ["1a2b3c4d", "temperature 0.5"])
    def test_where_takes_the_words_and_the_hash(self, store: Path, told: str) -> None:
        assert main(["tradeoff", "--where", f"prune_settings={told}", "--tracking-uri", str(store)]) == 0
        assert list(pd.read_csv("reports/tradeoff-mnist5k-lenet5.csv")["curve"]) == ["L2 w/ retrain"]

    @pytest.mark.usefixtures("store")
    def test_what_cannot_be_read_becomes_letters(self) -> None:
        for path in Path().glob("curve */config.yaml"):
            path.unlink()
        assert main(["tradeoff"]) == 0
        assert list(pd.read_csv("reports/tradeoff-mnist5k-lenet5.csv")["curve"]) == ["settings A", "settings B"]

    @pytest.mark.usefixtures("store")
    def test_limits_may_begin_with_a_minus_and_formats_are_chosen(self) -> None:
        words = ["tradeoff", "--ylim", "-5:1", "--xlim=50:99", "--format", "pdf,svg", "--width", "column"]
        assert main(words) == main([*words, "--out", "again"]) == 0
        first, second = ({path.name: path.read_bytes() for path in Path(out).iterdir()} for out in ("reports", "again"))
        assert {Path(name).suffix for name in first} == {".pdf", ".svg", ".csv", ".json"}
        assert first == second
