"""Weights kept at equal accuracy, by hand: whose points, which of them, and what is not comparable."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import pytest

from analysis.records import frames
from analysis.statistics import selection, sparsest
from analysis.tables import allocations
from pruneexp.errors import UserError
from pruneexp.schema import Budget, TradeoffPoint
from pruneexp.schema.columns import LoggedPoint
from pruneexp.summary.spread import Spread, spread
from tests.contracts.figures import TableContract
from tests.contracts.points import logged, point


def one(
    criterion: str, density: float, drop: float, *, seed: int = 0, trial: int = -1, **settings: object
) -> TradeoffPoint:
    """A retrained point that loses ``drop`` points of val and a point more of test; a trial where it has a number."""
    made = point(criterion=criterion, density=density, seed=seed, after=96.0 - drop, val_after=97.0 - drop)
    asked = {"study": "search", "prune_settings": f"q{trial}"} if trial >= 0 else {"prune_settings": criterion}
    identity = replace(made.identity, trial=trial, **{"retrain_epochs": 3, **asked, **settings})  # type: ignore[arg-type]
    return replace(made, identity=identity)


def study() -> list[LoggedPoint]:
    """Two seeds: uniform reaches the target at 0.2, one threshold at 0.1 for one seed, one q never, the study lower."""
    return logged(
        *(one("layer_magnitude", density, drop, seed=seed)
          for density, drop in ((0.5, 0.0), (0.2, 0.5), (0.1, 0.6)) for seed in (0, 1)),
        one("global_magnitude", 0.1, 0.1, seed=0),
        one("global_magnitude", 0.1, 2.0, seed=1),
        *(one("layer_std", 0.05, 5.0, seed=seed) for seed in (0, 1)),
        *(one("layer_std", density, drop, seed=seed, trial=trial)
          for trial, (density, drop) in enumerate([(0.05, 0.2), (0.06, 0.0), (0.02, 4.0)]) for seed in (0,)),
        one("layer_std", 0.1, 0.3, seed=1, trial=7),
    )  # fmt: skip


class TestAllocations(TableContract):
    name: ClassVar[str] = "allocations"
    records = staticmethod(study)


def _made(points: list[LoggedPoint], drop: float = 0.5) -> allocations.Allocations:
    return allocations.data(selection.latest(frames.frame(points)), drop=drop)


def _kept(points: list[LoggedPoint], drop: float = 0.5) -> dict[str, sparsest.MethodResult]:
    (entry,) = _made(points, drop).entries
    return {kept.method: kept for kept in entry.kept}


def test_the_sparsest_point_of_each_seed_that_reaches_its_target() -> None:
    kept = _kept(study())
    assert kept["Uniform density"].density == Spread(20.0, 0.0, 20.0, 20.0, 2)
    assert kept["One threshold"].density == Spread(10.0, None, 10.0, 10.0, 1)
    assert kept["One common q"].density is None
    assert kept["Study"].density == spread([5.0, 10.0])
    assert [kept[name].points for name in sparsest.METHODS] == [(3, 3), (1, 1), (1, 1), (1, 3)]
    assert kept["Study"].test == spread([95.8, 95.7])


def test_the_paper_s_own_procedure_has_a_column_where_it_was_tried() -> None:
    greedy = [one("layer_std", 0.3, 0.1, seed=seed, trial=0, study="curves") for seed in (0, 1)]
    frame = selection.latest(frames.frame(logged(*(each.point for each in study()), *greedy)))
    frame["sampler"] = frame["study"].map({"search": "tpe", "curves": "greedy"})
    made = allocations.data(frame)
    assert allocations.sheet(made).header[2:] == (*sparsest.CURVES.values(), "Sensitivity curves", "Study")
    kept = {one.method: one for one in made.entries[0].kept}
    assert kept["Sensitivity curves"].density == Spread(30.0, 0.0, 30.0, 30.0, 2)
    assert kept["Study"].density == spread([5.0, 10.0])


def test_a_search_over_channels_is_no_study_of_weights() -> None:
    channels = one("channel_magnitude", 0.01, 0.0, trial=0, budget=Budget("units", 0.1))
    assert _kept([*study(), *logged(channels)])["Study"] == _kept(study())["Study"]
    with pytest.raises(UserError, match="no study's points"):
        _made(logged(one("layer_magnitude", 0.2, 0.5), channels))


def test_the_study_is_compared_seed_by_seed() -> None:
    kept = _kept(study())
    uniform, threshold = kept["Uniform density"], kept["One threshold"]
    assert uniform.study is not None
    assert threshold.study is not None
    mean, half = math.sqrt(0.25 * 0.5), 12.7062 * (math.log(2.0) / 2**0.5) / 2**0.5  # t(1) for 95 %
    assert uniform.ratio == pytest.approx((mean, mean / math.exp(half), mean * math.exp(half)), rel=1e-4)
    assert (uniform.study.n, uniform.study.verdict) == (2, "no verdict")
    assert threshold.ratio[0] == pytest.approx(0.5)
    assert threshold.ratio[1:] == (None, None)
    assert threshold.study.n == 1
    assert kept["One common q"].study is kept["Study"].study is None


def searched(densities: dict[int, float]) -> list[LoggedPoint]:
    """A study that reaches the target at these densities, by seed, and a uniform density of 0.2 that does."""
    return logged(
        *(one("layer_magnitude", 0.2, 0.0, seed=seed) for seed in densities),
        *(one("layer_std", density, 0.0, seed=seed, trial=seed) for seed, density in densities.items()),
    )


@pytest.mark.parametrize(
    ("densities", "verdict", "bold"),
    [
        ({0: 0.1, 1: 0.11, 2: 0.12}, "worse", "Study"),
        ({0: 0.3, 1: 0.33, 2: 0.36}, "better", "Uniform density"),
        ({0: 0.2, 1: 0.2, 2: 0.2}, "equivalent", ""),
        ({0: 0.05, 1: 0.2, 2: 0.25}, "no evidence", ""),
        ({0: 0.1, 1: 0.1}, "no verdict", ""),
    ],
)
def test_only_what_is_surely_fewer_is_bold(densities: dict[int, float], verdict: str, bold: str) -> None:
    made = _made(searched(densities))
    (entry,) = made.entries
    uniform = entry.kept[0]
    assert uniform.study is not None
    assert uniform.study.verdict == verdict
    assert [one.method for one in entry.kept if one.best] == [bold] * bool(bold)
    shown = [sparsest.METHODS[place] for place, cell in enumerate(allocations.sheet(made).rows[0][2:]) if cell.bold]
    assert shown == [bold] * bool(bold)


def test_drop_moves_the_target() -> None:
    assert _kept(study(), drop=0.0)["Uniform density"].density == Spread(50.0, 0.0, 50.0, 50.0, 2)
    assert _kept(study(), drop=5.0)["Study"].density == spread([2.0, 10.0])


def test_the_table_by_hand() -> None:
    sheet = allocations.sheet(_made(study()))
    assert sheet.title.endswith("below the dense network's, after retraining: LeNet-5 on MNIST (5,000 digits)")
    assert sheet.header == ("", "Dense", *sparsest.METHODS)
    assert [tuple(cell.text for cell in row) for row in sheet.rows] == [
        ("weights kept, %", "100", "20.00 ± 0.00", "10.00 (1 of 2 seeds)", "–", "7.50 ± 3.54"),
        ("compression", "1×", "5.0×", "10.0×", "–", "13.3×"),
        ("test accuracy, %", "97.00 ± 0.00", "95.50 ± 0.00", "95.90", "–", "95.75 ± 0.07"),
        ("study / this, weights", "", "0.35 [0.00, 28.90]", "0.50", "–", ""),
        ("verdict", "", "n = 2: no verdict", "n = 1: no verdict", "", ""),
        ("points per seed", "", "3", "1", "1", "1–3"),
    ]
    subject = "LeNet-5 on MNIST (5,000 digits)"
    assert sheet.notes[3:] == (
        f"{subject}: One threshold reaches the target at no recorded point for 1 of 2 seeds.",
        f"{subject}: One common q reaches the target at no recorded point for 2 of 2 seeds.",
    )


def test_only_equal_conditions_are_compared() -> None:
    points = [
        one("layer_std", 0.05, 0.0, trial=0),
        one("layer_magnitude", 0.2, 0.0),
        one("layer_std", 0.04, 0.0, trial=0, retrain_epochs=1),
        one("layer_magnitude", 0.01, 0.0, dense_settings="other"),
        replace_mode(one("layer_magnitude", 0.01, 0.0), "rewind"),
    ]
    kept = _kept(logged(*points))
    assert kept["Uniform density"].density == Spread(20.0, None, 20.0, 20.0, 1)
    assert kept["Study"].density == Spread(5.0, None, 5.0, 5.0, 1)


def replace_mode(made: TradeoffPoint, mode: str) -> TradeoffPoint:
    return replace(made, identity=replace(made.identity, mode=mode))


def test_several_conditions_are_a_row_each_and_say_what_differs() -> None:
    points = [one(criterion, 0.1, 0.0, trial=trial, retrain_epochs=epochs)
              for criterion, trial in (("layer_std", 0), ("layer_magnitude", -1)) for epochs in (3, 30)]  # fmt: skip
    sheet = allocations.sheet(_made(logged(*points)))
    assert sheet.header[:2] == ("retrain epochs", "")
    assert [row[0].text for row in sheet.rows if row[0].text] == ["3", "30"]


def test_a_criterion_logged_with_several_settings_has_an_entry_for_each() -> None:
    points = logged(
        one("layer_std", 0.05, 0.0, trial=0),
        one("layer_std", 0.01, 0.0, prune_settings="scaled"),
        one("layer_std", 0.3, 0.0),
        one("layer_magnitude", 0.2, 0.0),
    )
    made = _made(points)
    kept = [{kept.method: kept.density.mean for kept in entry.kept if kept.density} for entry in made.entries]
    assert [densities["One common q"] for densities in kept] == [30.0, 1.0]
    assert [(densities["Uniform density"], densities["Study"]) for densities in kept] == [(20.0, 5.0)] * 2
    sheet = allocations.sheet(made)
    assert sheet.header[:2] == ("Settings of criteria", "")
    assert [row[0].text for row in sheet.rows[::6]] == ["One common q: layer_std", "One common q: scaled"]
    assert len({row["conditions"] for row in allocations.rows(made)}) == 2
    assert len(made.considered) == 4


def test_a_bisection_over_budgets_is_no_study_of_layers() -> None:
    points = logged(
        one("layer_std", 0.05, 0.0, trial=0),
        one("layer_magnitude", 0.2, 0.0),
        one("layer_magnitude", 0.15, 0.0, study="knee"),
    )
    assert _kept(points)["Uniform density"].density == Spread(15.0, None, 15.0, 15.0, 1)


def test_a_trial_without_test_accuracy_counts() -> None:
    unseen = one("layer_std", 0.05, 0.0, trial=0)
    unseen = replace(unseen, result=replace(unseen.result, test=None))
    kept = _kept(logged(unseen, one("layer_magnitude", 0.2, 0.0)))
    assert kept["Study"].density is not None
    assert kept["Study"].test is None


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ([one("layer_magnitude", 0.2, 0.0)], "no study's points, retrained, are logged"),
        ([one("layer_std", 0.2, 0.0, trial=0, retrain_epochs=0)], "no study's points, retrained, are logged"),
        ([one("layer_std", 0.2, 0.0, trial=0)], "no curve of layer_magnitude, global_magnitude, layer_std is logged"),
    ],
)
def test_nothing_to_compare_is_said(points: list[TradeoffPoint], told: str) -> None:
    with pytest.raises(UserError, match=told):
        _made(logged(*points))


@pytest.mark.parametrize("drop", [-0.1, math.nan])
def test_drop_out_of_range(drop: float) -> None:
    with pytest.raises(UserError, match="--drop must be 0 or more"):
        _made(study(), drop)
