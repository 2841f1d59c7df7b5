"""``analysis.points``: the frame for one's own questions."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from analysis import points
from pruneexp.errors import UserError
from tests.contracts.points import logged, point, tracking_file

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def store(tmp_path: Path) -> str:
    made = [point(seed=0), point(seed=0, after=96.0), point(seed=1), point(reg="l1", seed=1), point(mode="scratch_e")]
    return f"sqlite:///{tracking_file(tmp_path / 'mlflow.db', logged(*made))}"


def test_a_row_per_point_the_last_of_those_recorded_again(store: str) -> None:
    found = points(store)
    assert len(found) == 4
    chosen = found[(found["mode"] == "prune") & (found["seed"] == 0)]
    assert list(chosen["test.after.top1"]) == [96.0]
    assert list(chosen["test.change_after.top1"]) == [-1.0]


def test_conditions_take_one_value_or_several_of_any_type(store: str) -> None:
    assert set(points(store, where={"reg": ["l1", "l2"], "mode": "prune"})["reg"]) == {"l1", "l2"}
    assert len(points(store, where={"seed": 1, "budget.value": 0.1})) == 2
    assert len(points(store, where={"seed": (0, 1)})) == 4
    assert len(points(store, None, {"sweep": None})) == 4


def test_what_is_not_there_is_one_sentence(store: str) -> None:
    with pytest.raises(UserError, match=r"no point has reg=l9"):
        points(store, where={"reg": "l9"})
    with pytest.raises(UserError, match="has no experiment 'prunexp'"):
        points(store, "prunexp")
    with pytest.raises(UserError, match=r"^material='scan': it may be 'points' or 'points and trials'\.$"):
        points(store, material="scan")  # type: ignore[arg-type]


def test_what_failed_is_a_warning(tmp_path: Path) -> None:
    path = tracking_file(tmp_path / "mlflow.db", logged(point()))
    running = [one._replace(run_id="e" * 32) for one in logged(point(seed=1))]
    tracking_file(tmp_path / "more.db", running, status="RUNNING")
    with closing(sqlite3.connect(path)) as made, made:
        made.execute(f"ATTACH '{tmp_path / 'more.db'}' AS more")
        for table in ("runs", "params", "tags", "latest_metrics"):
            made.execute(f"INSERT INTO {table} SELECT * FROM more.{table}")
    with pytest.warns(UserWarning, match="is RUNNING"):
        assert len(points(f"sqlite:///{path}")) == 1


def test_every_column_is_documented(store: str) -> None:
    """A table row of docs/analysis.md names each; SPLIT, MOMENT, METRIC and KIND stand for what they list."""
    text = (DOCS / "analysis.md").read_text(encoding="utf-8")
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    patterns = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    stands_for = {
        "SPLIT": "(val|test)", "MOMENT": "(dense|before|after)", "WHEN": "(before|after)", "METRIC": "top[15]",
        "KIND": "(dense|prune|retrain|scratch)",
    }  # fmt: skip
    known = []
    for pattern in patterns:
        expression = re.escape(pattern)
        for word, meaning in stands_for.items():
            expression = expression.replace(word, meaning)
        known.append(re.compile(expression))
    found = points(store).columns
    assert [name for name in found if not any(one.fullmatch(name) for one in known)] == []
