"""Repetitions over seeds, and the curves that they make."""

from __future__ import annotations

from dataclasses import fields, replace

from analysis.records.frames import POINTS
from pruneexp.schema import PointIdentity, TradeoffPoint
from pruneexp.schema.columns import LoggedPoint
from pruneexp.summary.seeds import SETTINGS, curves
from tests.contracts.points import point, with_settings


def logged(*points: TradeoffPoint, started: int = 0) -> list[LoggedPoint]:
    return [LoggedPoint(f"run {number}", "", started + number, one) for number, one in enumerate(points)]


def told(points: list[LoggedPoint]) -> list[list[list[tuple[int, float, float]]]]:
    return [
        [[(one.point.identity.seed, one.point.identity.budget.value, one.point.result.val.after["top1"]) for one in row]
         for row in curve]
        for curve in curves(points)
    ]  # fmt: skip


def test_a_curve_goes_from_mild_to_hard_and_a_budget_holds_its_seeds() -> None:
    made = [point(seed=seed, density=density, after=90 + seed) for density in (0.1, 0.5) for seed in (0, 1)]
    assert told(logged(*made)) == [[[(0, 0.5, 90), (1, 0.5, 91)], [(0, 0.1, 90), (1, 0.1, 91)]]]
    qualities = [replace(one.identity, budget=replace(one.identity.budget, kind="quality", value=value))
                 for one, value in zip(made[:2], (2.0, 0.5), strict=True)]  # fmt: skip
    hard = [replace(made[0], identity=identity) for identity in qualities]
    assert [[value for _, value, _ in row] for row in told(logged(*hard))[0]] == [[0.5], [2.0]]


def test_a_seed_that_was_recorded_again_counts_once_as_it_was_last() -> None:
    first, again = point(after=90.0), point(after=96.0)
    assert told([*logged(first, started=2), *logged(again)]) == [[[(0, 0.1, 90.0)]]]
    assert told([*logged(first), *logged(again, started=2)]) == [[[(0, 0.1, 96.0)]]]


def test_settings_make_curves_and_trials_of_searches_make_none() -> None:
    trial = replace(point().identity, study="search", trial=3)
    made = logged(point(), point(mode="rewind"), with_settings(point(), rounds=3), replace(point(), identity=trial))
    assert [len(rows) for rows in curves(made)] == [1, 1, 1]


def test_publications_take_the_same_points_for_repetitions() -> None:
    assert set(POINTS.settings) == {*SETTINGS, "budget.kind", "budget.value", "seed"}
    told = {name.partition(".")[0] for name in (*SETTINGS, "budget")}
    assert {field.name for field in fields(PointIdentity)} - told == {
        "seed", "trial", "targets", "device", "curve_key", "point_key", "dense_key", "mask_key", "final_key",
    }  # fmt: skip
