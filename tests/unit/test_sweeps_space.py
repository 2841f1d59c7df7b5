"""The levels that a search may choose for each layer, and its first choices: by hand, and by properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pruneexp.errors import UserError
from pruneexp.schema import BudgetKind
from sweeps.space import (
    CurvePoint,
    Curves,
    Space,
    bounded,
    curves_of,
    even,
    greedy,
    spread_out,
    starts,
    tolerances,
    tolerating,
)
from tests.contracts.scans import scan

#: Quality parameters of two layers: ``a`` bears half of what ``b`` does.
QUALITIES: Curves = {
    "a": (CurvePoint(0.5, 0.7, 1.0), CurvePoint(1.0, 0.5, 3.0), CurvePoint(2.0, 0.2, 30.0)),
    "b": (CurvePoint(0.5, 0.7, 0.5), CurvePoint(1.0, 0.5, 1.0), CurvePoint(2.0, 0.2, 4.0)),
}
#: Densities of the same.
DENSITIES: Curves = {
    "a": (CurvePoint(0.5, 0.5, 1.0), CurvePoint(0.2, 0.2, 3.0), CurvePoint(0.1, 0.1, 30.0)),
    "b": (CurvePoint(0.5, 0.5, 0.5), CurvePoint(0.2, 0.2, 1.0), CurvePoint(0.1, 0.1, 4.0)),
}


def test_curves_are_the_drops_of_a_scan_from_the_mildest_level() -> None:
    found = curves_of(scan({"conv1": {0.75: -1.0, 0.5: -6.0}, "fc1": {0.75: 0.5, 0.5: 0.0}}, dense=97.0))
    assert found == {
        "conv1": [CurvePoint(0.75, 0.75, 1.0), CurvePoint(0.5, 0.5, 6.0)],
        "fc1": [CurvePoint(0.75, 0.75, -0.5), CurvePoint(0.5, 0.5, 0.0)],
    }


def test_coupled_layers_share_a_curve() -> None:
    found = curves_of(scan({"conv1+fc1": {0.5: -6.0}, "fc2": {0.5: -1.0}}))
    assert list(found) == ["conv1", "fc1", "fc2"]
    assert found["conv1"] == found["fc1"] == [CurvePoint(0.5, 0.5, 6.0)]


@pytest.mark.parametrize(
    ("cliff", "a", "b"),
    [(0.4, 0.5, 0.5), (1.0, 0.5, 1.0), (3.0, 1.0, 2.0), (4.0, 2.0, 2.0), (99.0, 2.0, 2.0)],
)
def test_a_layers_search_ends_at_the_first_level_that_costs_the_cliff(cliff: float, a: float, b: float) -> None:
    assert bounded(QUALITIES, "quality", cliff) == Space("quality", {"a": 0.0, "b": 0.0}, {"a": a, "b": b})


def test_densities_are_searched_from_one_downwards() -> None:
    assert bounded(DENSITIES, "density", 3.0) == Space("density", {"a": 1.0, "b": 1.0}, {"a": 0.2, "b": 0.1})


def test_a_cliff_of_nothing_and_a_scan_of_nothing_are_refused() -> None:
    for cliff in (0.0, -1.0, math.nan):
        with pytest.raises(UserError, match=r"study\.cliff=.*: allowed is above 0"):
            bounded(QUALITIES, "quality", cliff)
    with pytest.raises(UserError, match="no layer"):
        bounded({}, "quality", 1.0)


@pytest.mark.parametrize(
    ("tolerance", "a", "b"),
    [
        (0.0, 0.0, 0.0),
        (0.5, 0.25, 0.5),  # half of the way to the first mark; on the first mark
        (2.0, 0.75, 4 / 3),  # half of the way from 1 to 3 points; a third of the way from 1 to 4 points
        (4.0, 1 + 1 / 27, 2.0),
        (99.0, 2.0, 2.0),  # never beyond the last mark
    ],
)
def test_tolerated_qualities_lie_between_the_marks(tolerance: float, a: float, b: float) -> None:
    whole = bounded(QUALITIES, "quality", 99.0)
    assert tolerating(QUALITIES, whole, tolerance) == pytest.approx({"a": a, "b": b})


def test_tolerated_densities_lie_between_the_marks_and_start_from_one() -> None:
    whole = bounded(DENSITIES, "density", 99.0)
    assert tolerating(DENSITIES, whole, 2.0) == pytest.approx({"a": 0.35, "b": 0.2 - 0.1 / 3})
    assert tolerating(DENSITIES, whole, 0.25) == pytest.approx({"a": 0.875, "b": 0.75})


def test_tolerated_levels_stay_within_the_bounds() -> None:
    assert tolerating(QUALITIES, bounded(QUALITIES, "quality", 1.0), 99.0) == {"a": 0.5, "b": 1.0}


def test_a_curve_that_rises_again_by_chance_is_taken_as_flat() -> None:
    curves = {"a": (CurvePoint(0.5, 0.7, 2.0), CurvePoint(1.0, 0.5, 1.0), CurvePoint(2.0, 0.2, 4.0))}
    whole = bounded(curves, "quality", 99.0)
    assert tolerating(curves, whole, 3.0) == {"a": 1.5}  # half of the way from 2 points to 4
    assert tolerating(curves, whole, 1.0) == {"a": 0.25}  # where 1 point is first lost


def test_a_layer_that_gains_from_pruning_has_lost_nothing() -> None:
    curves = {"a": (CurvePoint(0.5, 0.7, -1.0), CurvePoint(1.0, 0.5, 2.0))}
    assert tolerating(curves, bounded(curves, "quality", 99.0), 1.0) == {"a": 0.75}


def test_even_levels_are_a_share_of_the_hardest() -> None:
    space = Space("quality", {"a": 0.0, "b": 0.0}, {"a": 2.0, "b": 1.0})
    assert even(space, 0.25) == {"a": 0.5, "b": 0.5}
    assert even(space, 0.75) == {"a": 1.5, "b": 1.0}  # b may not give more


def test_even_densities_are_a_share_of_the_way_in_ratios() -> None:
    space = Space("density", {"a": 1.0, "b": 1.0}, {"a": 0.25, "b": 0.04})
    assert even(space, 0.25) == pytest.approx({"a": 0.04**0.25, "b": 0.04**0.25})
    assert even(space, 0.5) == pytest.approx({"a": 0.25, "b": 0.2})


def test_tolerances_run_from_a_fiftieth_of_the_cliff_in_equal_ratios() -> None:
    assert tolerances(3, 20.0) == pytest.approx((0.4, 20 / math.sqrt(50), 20.0))
    assert tolerances(1, 20.0) == pytest.approx((20 / 7,))


def test_the_greedy_sequence_halves_the_range_of_tolerances_again_and_again() -> None:
    curves = {"a": (CurvePoint(10.0, 0.1, 10.0),)}  # the level is the tolerance
    space = bounded(curves, "quality", 10.0)
    found = [greedy(curves, space, 10.0, number)["a"] for number in range(7)]
    shares = [math.log(level / 0.2) / math.log(50) for level in found]
    assert shares == pytest.approx([1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8, 3 / 8, 7 / 8])


def test_first_choices_take_turns_and_grow_harder() -> None:
    space = bounded(QUALITIES, "quality", 30.0)
    found = starts(QUALITIES, space, 30.0, 5)
    assert len(found) == 5
    assert found[0::2] == [even(space, 1 / 4), even(space, 2 / 4), even(space, 3 / 4)]
    assert found[1::2] == [tolerating(QUALITIES, space, tolerance) for tolerance in tolerances(3, 30.0)[:2]]
    for milder, harder in ((found[0], found[2]), (found[1], found[3])):
        assert all(milder[name] < harder[name] for name in milder)


@st.composite
def searched(draw: st.DrawFn) -> tuple[Curves, BudgetKind]:
    """Curves of up to three layers over common levels."""
    kind: BudgetKind = draw(st.sampled_from(["density", "quality"]))
    levels = draw(st.lists(st.integers(1, 99), min_size=1, max_size=6, unique=True).map(sorted))
    marks = [level / 100 for level in (levels if kind == "quality" else reversed(levels))]
    column = st.lists(st.floats(-5, 60), min_size=len(marks), max_size=len(marks))
    layers = [draw(column) for _ in range(draw(st.integers(1, 3)))]
    return {
        str(n): tuple(CurvePoint(mark, mark, drop) for mark, drop in zip(marks, column, strict=True))
        for n, column in enumerate(layers)
    }, kind


@given(found=searched(), cliff=st.floats(0.1, 100), count=st.integers(0, 12))
def test_first_choices_lie_within_the_bounds(found: tuple[Curves, BudgetKind], cliff: float, count: int) -> None:
    curves, kind = found
    space = bounded(curves, kind, cliff)
    chosen = [*starts(curves, space, cliff, count), *(greedy(curves, space, cliff, number) for number in range(5))]
    assert len(chosen) == count + 5
    for levels in chosen:
        assert list(levels) == list(curves)
        for name, level in levels.items():
            low, high = sorted((space.mildest[name], space.hardest[name]))
            assert low <= level <= high


@given(found=searched(), one=st.floats(0, 60), other=st.floats(0, 60))
def test_who_tolerates_more_prunes_no_less(found: tuple[Curves, BudgetKind], one: float, other: float) -> None:
    curves, kind = found
    space = bounded(curves, kind, 100.0)
    less, more = (tolerating(curves, space, tolerance) for tolerance in sorted((one, other)))
    sign = 1 if kind == "quality" else -1
    assert all(sign * more[name] >= sign * less[name] - 1e-12 for name in curves)


def test_spread_out_is_even_in_ratios() -> None:
    front = [(0, 1.0), (1, 0.9), (2, 0.8), (3, 0.1), (4, 0.011), (5, 0.01)]
    assert spread_out(front, 3) == [0, 3, 5]
    assert spread_out(front, 1) == [2]  # the middle one; a tie of six goes to the denser
    assert spread_out(front, 0) == []


@given(
    densities=st.lists(st.integers(1, 1000), unique=True, max_size=20),
    count=st.integers(0, 12),
    data=st.data(),
)
def test_spread_out_keeps_the_ends_and_the_count(densities: list[int], count: int, data: st.DataObject) -> None:
    numbers = data.draw(st.permutations(range(len(densities))))
    front = [(number, density / 1000) for number, density in zip(numbers, densities, strict=True)]
    chosen = spread_out(front, count)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(count, len(front))
    assert set(chosen) <= set(numbers)
    if front and count >= 2:
        by_density = sorted(front, key=lambda pair: pair[1])
        assert {by_density[0][0], by_density[-1][0]} <= set(chosen)


def test_a_space_is_wider_for_choices_beyond_it_and_never_narrower() -> None:
    densities = Space("density", {"a": 1.0, "b": 1.0}, {"a": 0.2, "b": 0.4})
    assert densities.holding([{"a": 0.3, "b": 0.1}, {"a": 0.25, "b": 0.5}]).hardest == {"a": 0.2, "b": 0.1}
    qualities = Space("quality", {"a": 0.0}, {"a": 1.5})
    assert qualities.holding([{"a": 2.0}]).hardest == {"a": 2.0}
    assert qualities.holding([]) == qualities
