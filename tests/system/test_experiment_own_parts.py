"""A user's criterion, penalty, data set, schedule or mode: an edit changes what was computed with it, and no more."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from pruneexp.experiment.identity import identity
from tests.contracts.own_code import built, edit, keys, searched_folder, write


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return searched_folder(tmp_path, monkeypatch)


#: For each kind of part what a configuration says, a module, and the stages that an edit of the module changes.
PARTS: dict[str, tuple[dict[str, Any], str, set[str]]] = {
    "criterion": (
        {"criterion.score": {"_target_": "own.Score"}},
        """
        from pruneexp.pruning.criteria.magnitude import Magnitude

        class Score(Magnitude):
            pass
        """,
        {"mask", "retrain", "scan"},
    ),
    "allocation": (
        {"criterion.allocation": {"_target_": "own.Share"}},
        """
        from pruneexp.pruning.allocations.global_threshold import GlobalThreshold

        class Share(GlobalThreshold):
            pass
        """,
        {"mask", "retrain"},
    ),
    "penalty": (
        {"reg.retrain": {"_target_": "own.Penalty", "strength": 0.1}},
        """
        from pruneexp.training.regularizers import L2

        class Penalty(L2):
            pass
        """,
        {"retrain"},
    ),
    "data": (
        {"data._target_": "own.data"},
        """
        from pruneexp.data.synthetic import synthetic

        def data(**words):
            return synthetic(**words)
        """,
        {"dense", "mask", "retrain", "scan"},
    ),
    "schedule": (
        {"schedule": {"_target_": "own.Once"}},
        """
        from pruneexp.pruning.schedules.one_shot import OneShot

        class Once(OneShot):
            pass
        """,
        set(),  # the budgets it gives say all
    ),
    "mode of our stages": (
        {"mode": {"_target_": "own.Mode"}},
        """
        from pruneexp.modes.prune import Prune

        class Mode(Prune):
            pass
        """,
        {"mask", "retrain"},
    ),
    "mode with work of its own": (
        {"mode": {"_target_": "own.Mode"}},
        """
        from dataclasses import replace
        from pruneexp.modes.prune import Prune
        from pruneexp.stages.graph import Route

        class Mode(Prune):
            def route(self, setting, path):
                *others, last = super().route(setting, path).steps
                return Route((*others, replace(last, make=lambda parents, checkpoint: last.make(parents, checkpoint))))
        """,
        {"mask", "retrain"},
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_an_edit_changes_what_was_computed_with_it(part: str, mine: Path) -> None:
    changes, text, kinds = PARTS[part]
    write(mine, {"own.py": f"import needed\n{textwrap.dedent(text)}", "needed.py": ""})
    before = keys(mine, changes)
    assert keys(mine, changes) == before
    edit(mine / "needed.py")
    after = keys(mine, changes)
    assert {kind for kind, key in after.items() if key != before[kind]} == kinds


@pytest.mark.parametrize("part", ["schedule", "mode of our stages", "penalty"])
def test_an_edit_makes_another_curve(part: str, mine: Path) -> None:
    changes, text, _ = PARTS[part]
    write(mine, {"own.py": f"import needed\n{textwrap.dedent(text)}", "needed.py": ""})
    found = []
    for _ in range(2):
        _, _, job = built(mine, changes)
        found.append(identity(job, job.budgets[0], job.routes[0]))
        edit(mine / "needed.py")
    first, second = found
    assert first.curve_key != second.curve_key
    assert (first.schedule_settings != second.schedule_settings) is (part == "schedule")
    assert (first.mode_settings != second.mode_settings) is (part == "mode of our stages")
