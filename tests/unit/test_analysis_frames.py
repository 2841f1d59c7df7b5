"""Points as a frame: derived columns by hand, groups over seeds, and no trace of the order of logging."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.curves import Channels, channels, family
from pruneexp.errors import UserError
from pruneexp.summary.spread import Spread, spread
from tests.contracts.points import logged, point

ACCURACIES = st.floats(min_value=0.0, max_value=100.0, allow_nan=False)


def test_derived_columns_by_hand() -> None:
    made = frames.frame(logged(point(density=0.125, dense=97.0, before=90.0, after=96.5, val_offset=1.0)))
    (row,) = made.to_dict("records")
    assert row["pruned"] == 87.5
    assert row["compression"] == 8.0
    assert row["test.change_before.top1"] == -7.0
    assert row["test.change_after.top1"] == -0.5
    assert row["val.change_after.top1"] == -0.5
    assert row["val.after.top1"] == 97.5


def test_absent_scores_are_nan_even_where_every_point_lacks_them() -> None:
    made = frames.frame(logged(point(mode="scratch_e"), point(mode="scratch_b")))
    assert made["test.before.top1"].isna().all()
    assert made["test.change_before.top1"].dtype == float


def test_empty_frame_has_every_column() -> None:
    empty = frames.frame([])
    assert list(empty.columns) == list(frames.frame(logged(point())).columns)
    assert list(selection.groups(empty, ("data", "model"))) == []


@settings(max_examples=8)
@given(st.permutations(range(6)))
def test_order_of_logging_changes_nothing(order: list[int]) -> None:
    points = logged(*(point(seed=seed, density=density) for seed in range(3) for density in (0.5, 0.1)))
    pd.testing.assert_frame_equal(frames.frame(points[index] for index in order), frames.frame(points))


def test_spread_by_hand() -> None:
    assert spread([96.0, 98.0, 97.0]) == Spread(mean=97.0, std=1.0, low=96.0, high=98.0, n=3)
    assert spread([96.0]) == Spread(mean=96.0, std=None, low=96.0, high=96.0, n=1)


@given(st.lists(ACCURACIES, min_size=2, max_size=12), st.randoms())
def test_spread_is_the_sample_one_and_ignores_order(values: list[float], chance: object) -> None:
    made = spread(values)
    assert made.std is not None
    assert made.std == pytest.approx(statistics.stdev(values), abs=1e-9)
    assert spread(sorted(values, reverse=True)) == made


@pytest.mark.parametrize("values", [[], [96.0, math.nan], [math.inf]])
def test_spread_refuses_what_has_no_mean(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        spread(values)


def test_a_seed_logged_twice_counts_once_and_the_later_one_wins() -> None:
    made = selection.latest(frames.frame(logged(point(after=90.0), point(seed=1, after=95.0), point(after=96.0))))
    assert sorted(made["test.after.top1"]) == [95.0, 96.0]


def test_latest_keeps_what_differs_in_any_setting() -> None:
    points = logged(
        point(),
        point(seed=1),
        point(reg="l1"),
        point(criterion="random"),
        point(schedule="iterative"),
        point(mode="rewind"),
        point(density=0.2),
        point(budget="quality"),
        point(model="alexnet"),
        point(data="mnist"),
    )
    made = frames.frame(points)
    pd.testing.assert_frame_equal(selection.latest(made), made)


def test_points_that_a_search_asked_for_are_told_apart() -> None:
    curve = point()
    first, second = (replace(curve.identity, study="search", trial=number, prune_settings=f"q{number}")
                     for number in (0, 1))  # fmt: skip
    made = frames.frame(logged(curve, replace(curve, identity=first), replace(curve, identity=second)))
    assert list(selection.latest(made)["trial"]) == [-1, 0, 1]
    assert list(selection.of_curves(made)["run_id"]) == [f"{1:032x}"]
    assert "study" in frames.CONDITIONS
    assert "trial" not in frames.CONDITIONS


def test_where_selects_by_text() -> None:
    made = frames.frame(logged(point(seed=0), point(seed=1), point(seed=1, reg="l1")))
    assert len(selection.where(made, {"seed": "1"})) == 2
    assert len(selection.where(made, {"seed": "1", "reg": "l1"})) == 1


def test_where_selects_what_is_absent_by_none() -> None:
    curve = point()
    trial = replace(curve, identity=replace(curve.identity, study="search", trial=0, prune_settings="q0"))
    made = frames.frame(logged(curve, trial))
    assert list(selection.where(made, {"study": "none"})["trial"]) == [-1]
    with pytest.raises(UserError, match="there is: none, search"):
        selection.where(made, {"study": "other"})


@pytest.mark.parametrize(("conditions", "told"), [({"sead": "1"}, "seed"), ({"reg": "l3"}, "l1, l2")])
def test_where_names_what_there_is(conditions: dict[str, str], told: str) -> None:
    made = frames.frame(logged(point(), point(reg="l1")))
    with pytest.raises(UserError, match=told):
        selection.where(made, conditions)


def test_curves_pool_seeds_and_tell_variants_apart() -> None:
    points = frames.frame(
        logged(*(point(seed=seed, criterion=criterion, after=96.0 + seed)
                 for seed in (0, 2) for criterion in ("random", "layer_std")))
    )  # fmt: skip
    columns = {"x": points["pruned"], "y": points["test.change_after.top1"], "dense": points["test.dense.top1"]}
    points = points.assign(**columns, doubtful=False, moment="after")
    by = channels(points, ("reg", "criterion", "schedule"), Channels())
    assert by == Channels(colour=("criterion",))
    first, second = family(points, ("reg", "criterion", "schedule"), by).curves
    assert (first.colour, second.colour) == ("layer_std", "random")
    (mark,) = first.marks
    assert mark.y == Spread(0.0, math.sqrt(2.0), -1.0, 1.0, 2)
    assert (mark.x, first.dense) == (90.0, 97.0)
    assert first.seeds == "n = 2"
