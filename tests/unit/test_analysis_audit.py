"""The audit as a table and as a command: which checks are made, what is said of them, and the exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.records import frames, origin_frames
from analysis.records.parents import Origin
from analysis.tables import audit
from pruneexp.errors import UserError
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import TableContract
from tests.contracts.points import as_text, logged, point, tracking_file

CODE, PACKAGES, MACHINE, CRITERION, RETRAIN = origin_frames.COLUMNS


def study() -> list[LoggedPoint]:
    return logged(*(point(seed=seed, density=density) for seed in (0, 1, 2) for density in (0.5, 0.1)))


class TestAudit(TableContract):
    name = "audit"
    records = staticmethod(study)


def test_failing_checks_are_bold_and_say_what_mends_them() -> None:
    made = audit.data(frames.frame(study()), only="costs, budgets")
    sheet = audit.sheet(made)
    assert made.fails
    assert [(row[0].text, row[2].text, row[2].bold) for row in sheet.rows] == [
        ("costs", "holds", False),
        ("budgets", "fails", True),
    ]
    assert sheet.rows[1][3].text.endswith("; mended by curve.densities=[0.5,0.25,0.12,0.06,0.03]")
    assert sheet.notes[:2] == ("1 of 2 fail, on 6 points.", "Asked for by Blalock et al. 2020: costs, budgets.")


def test_a_check_that_does_not_exist_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"--only cost: there is no such check \(did you mean costs\?\); there are ide"):
        audit.data(frames.frame(study()), only="cost")


def test_the_status_says_whether_a_check_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tracking_file(tmp_path / "mlflow.db", [*study(), *logged(as_text(point(model="lstm")), experiment="pruneexp")])
    assert main(["audit", "--only", "costs,random"]) == 0  # not recorded is no failure
    assert main(["audit", "--only", "costs,budgets"]) == 1
    assert main(["audit", "--only", "nothing"]) == 2
    assert [path.name for path in sorted((tmp_path / "reports").glob("*.md"))] == ["audit.md"]  # of all metrics


def test_origins_become_columns_of_text() -> None:
    points = frames.frame(logged(point(), point(criterion="random")))
    environment = {"python": "3.11", "git": {"commit": "0123456789abcdef", "dirty": True}, "packages": {"torch": "2"},
                   "machine": {"processor": "EPYC", "threads": 2, "accelerator": None}}  # fmt: skip
    known = Origin({"criterion": {"b": 1, "a": 2}}, environment)
    (told, untold) = origin_frames.frame(points, {("pruneexp", points["curve_key"][0]): known}).to_dict("records")
    assert told[CODE] == "0123456789ab, changed"
    assert told[PACKAGES] == "python 3.11, torch 2"
    assert told[MACHINE] == "EPYC, 2 threads"
    assert told[CRITERION] == '{"a": 2, "b": 1}'
    assert [told[RETRAIN], *(untold[name] for name in origin_frames.COLUMNS)] == [None] * 6
