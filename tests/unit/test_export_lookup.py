"""Which points of searches words may mean: trials that were retrained, and those that keep to a limit."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from pruneexp import schema
from pruneexp.export import lookup
from pruneexp.tracking import StoredRun, Tracker
from pruneexp.tracking.runs import PARENT
from tests.contracts.points import point


def test_a_trial_goes_by_its_retrained_point() -> None:
    def candidate(number: int, **params: str) -> lookup._Candidate:
        run = StoredRun(str(number), "", "FINISHED", number, 0, True, params, {}, {schema.POINT_KEY: str(number)})
        return lookup._Candidate(run, cast(Tracker, None))

    probe, retrained = (candidate(n, study="s", trial="3", retrain_epochs=epochs) for n, epochs in ((0, "0"), (1, "2")))
    other, curve = candidate(2, study="s", trial="4", retrain_epochs="0"), candidate(3, retrain_epochs="0")
    assert lookup._finalists([probe, retrained, other, curve]) == [retrained, other, curve]


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        ({"max_cost": "0.2"}, [0.1]),  # of density, which no metric of a cost stands for
        ({"max_cost": "0.2", "cost": "flop"}, [0.5]),
        ({}, [0.1, 0.5]),
    ],
    ids=str,
)
def test_the_best_of_a_search_keeps_to_its_limit(params: dict[str, str], kept: list[float]) -> None:
    found = [StoredRun("s", "", "FINISHED", 0, 0, True, params, {}, {})]
    tracker = cast(Tracker, SimpleNamespace(find=lambda where, _: found if where["attributes.run_id"] == "s" else []))

    def trial(density: float, flop: float) -> lookup.RecordedPoint:
        made = point(density=density)
        run = StoredRun("r", "", "FINISHED", 0, 0, True, {}, {"share/flop": flop}, {PARENT: "s"})
        return lookup.RecordedPoint(run, tracker, replace(made.identity, study="search", trial=0), made.result)

    trials = [trial(0.1, 0.6), trial(0.5, 0.15)]
    assert [each.result.density for each in trials if lookup._keeps_to_limit(each)] == kept
