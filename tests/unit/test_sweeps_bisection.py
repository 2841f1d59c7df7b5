"""The knee of a made-up curve, and intervals over seeds against SciPy's own."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sweeps.bisection import Bracket, Measurement, bisect, certainly


def found(crossing: float, *, lowest: float, tolerance: float) -> Bracket:
    """The bracket of a network that is within the limit from the density ``crossing`` on."""
    return bisect(
        lambda density: Measurement(density, (0.0 if density >= crossing else 5.0,)),
        lambda each: each.mean <= 1.0,
        lowest=lowest,
        tolerance=tolerance,
    )


@given(crossing=st.floats(0.0051, 0.999), tolerance=st.floats(1.01, 3.0))
def test_both_sides_of_the_crossing_are_found_within_the_tolerance(crossing: float, tolerance: float) -> None:
    knee = found(crossing, lowest=0.005, tolerance=tolerance)
    assert knee.beyond is not None
    mildest = knee.within.density if knee.within is not None else 1.0
    assert knee.beyond.density < crossing <= mildest
    assert mildest / knee.beyond.density <= tolerance
    assert len(knee.measured) <= math.ceil(math.log2(math.log(200) / math.log(tolerance))) + 2
    assert {knee.beyond, knee.within} - {None} <= set(knee.measured)


def test_the_middle_is_that_of_ratios_with_four_digits() -> None:
    knee = found(0.3, lowest=0.01, tolerance=1.7)
    assert [each.density for each in knee.measured] == [0.01, 0.1, 0.3162, 0.1778, 0.2371]
    assert (knee.within, knee.beyond) == (Measurement(0.3162, (0.0,)), Measurement(0.2371, (5.0,)))


def test_everything_within_is_one_measurement() -> None:
    assert found(0.0, lowest=0.02, tolerance=1.1) == Bracket(
        Measurement(0.02, (0.0,)), None, (Measurement(0.02, (0.0,)),)
    )


def test_nothing_within_ends_near_the_dense_network() -> None:
    knee = found(2.0, lowest=0.02, tolerance=1.1)
    assert knee.within is None
    assert knee.beyond is not None
    assert 1 / 1.1 <= knee.beyond.density < 1.0


@pytest.mark.parametrize("crossing", [0.0123, 0.5, 0.99999])
def test_a_tolerance_finer_than_four_digits_ends_too(crossing: float) -> None:
    knee = found(crossing, lowest=0.01, tolerance=1.0000001)
    assert knee.beyond is not None
    mildest = knee.within.density if knee.within is not None else 1.0
    assert knee.beyond.density < crossing <= mildest
    assert mildest / knee.beyond.density < 1.0011
    assert len({each.density for each in knee.measured}) == len(knee.measured)


@given(drops=st.lists(st.floats(-5, 50), min_size=2, max_size=6, unique=True), confidence=st.floats(0.5, 0.999))
def test_the_interval_is_students(drops: list[float], confidence: float) -> None:
    if statistics.stdev(drops) < 1e-6:
        return
    expected = stats.t.interval(confidence, len(drops) - 1, loc=statistics.fmean(drops), scale=stats.sem(drops))
    assert Measurement(0.1, tuple(drops)).interval(confidence) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_seeds_that_agree_have_no_width() -> None:
    assert Measurement(0.1, (2.0, 2.0, 2.0)).interval(0.95) == (2.0, 2.0)


@pytest.mark.parametrize("drops", [(3.0,), (3.0, math.inf), (math.inf, math.inf)])
def test_one_seed_or_a_failure_says_nothing_for_certain(drops: tuple[float, ...]) -> None:
    assert Measurement(0.1, drops).interval(0.95) == (-math.inf, math.inf)


def test_a_failed_seed_loses_more_than_any_limit() -> None:
    assert Measurement(0.1, (0.1, math.inf, 0.2)).mean == math.inf
    knee = bisect(
        lambda density: Measurement(density, (0.0, 0.0 if density > 0.2 else math.inf)),
        lambda each: each.mean <= 50.0,
        lowest=0.1,
        tolerance=1.5,
    )
    assert knee.within is not None
    assert knee.within.density > 0.2


def test_certainty_is_where_the_whole_interval_lies_on_one_side() -> None:
    measured = (
        Measurement(0.5, (0.1, 0.1, 0.1)),  # within 1 point
        Measurement(0.4, (0.0, 0.2, 0.1)),  # 0.1 and 0.25 to either side: within
        Measurement(0.3, (0.0, 2.0, 0.4)),  # 0.8 and 2.6 to either side: who knows
        Measurement(0.2, (5.0, 5.2, 5.1)),  # beyond
        Measurement(0.1, (9.0, 9.0, 9.0)),
        Measurement(0.05, (9.0, math.inf, 9.0)),
    )
    assert certainly(measured, 1.0, 0.95) == (0.4, 0.2)
    assert certainly(measured[2:3], 1.0, 0.95) == (None, None)
