"""Verdicts: by hand, by scipy's own tests, and by what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics import inference
from analysis.statistics.inference import Comparison, compare, holm, margin_of, sampling_error
from pruneexp.errors import UserError

#: Mean 2, sample standard deviation 1, so a standard error of 1 / sqrt(3).
THREE = (1.0, 2.0, 3.0)
#: Two-sided 5 % point of Student's t with two degrees of freedom, from the table in Student (1908) as reprinted.
T2 = 4.302652729911275


def verdicts(*differences: tuple[float, ...], margin: float = 0.5) -> list[str]:
    return [one.verdict for one in holm([compare(each, margin) for each in differences])]


class TestInterval:
    def test_by_hand(self) -> None:
        made = compare(THREE, 0.5)
        assert (made.n, made.mean, made.std) == (3, 2.0, 1.0)
        assert made.low == pytest.approx(2.0 - T2 / math.sqrt(3.0))
        assert made.high == pytest.approx(2.0 + T2 / math.sqrt(3.0))
        # t = 2 sqrt(3); with two degrees of freedom p = 1 - t / sqrt(2 + t^2)
        assert made.p == pytest.approx(1.0 - math.sqrt(12.0 / 14.0))

    def test_of_one_seed_there_is_none(self) -> None:
        made = compare([3.0], 0.5)
        assert made == Comparison(1, 3.0, None, None, None, None, None, 0.5, "no verdict")

    def test_two_seeds_have_an_interval_and_no_verdict(self) -> None:
        made = compare([10.0, 10.1], 0.5)
        assert made.low == pytest.approx(10.05 - 12.706204736 * 0.05)
        assert made.verdict == "no verdict"

    @pytest.mark.parametrize("margin", [0.0, -1.0, math.inf, math.nan])
    def test_a_margin_is_a_positive_number(self, margin: float) -> None:
        with pytest.raises(ValueError, match="a margin of equivalence is a positive number"):
            compare(THREE, margin)


class TestVerdict:
    def test_p_values_are_those_of_scipy(self) -> None:
        draws = np.random.default_rng(0).normal(0.2, 0.5, size=(50, 6))
        for differences in draws:
            made = compare(differences.tolist(), 0.5)
            assert made.p == pytest.approx(stats.ttest_1samp(differences, 0.0).pvalue)
            sides = (stats.ttest_1samp(differences, at, alternative=way).pvalue
                     for at, way in ((-0.5, "greater"), (0.5, "less")))  # fmt: skip
            assert made.p_equivalent == pytest.approx(min(1.0, 2.0 * max(sides)))

    def test_alone_it_is_what_the_interval_shows(self) -> None:
        found = set()
        for differences in np.random.default_rng(1).normal(0.3, 0.4, size=(300, 5)):
            made = compare(differences.tolist(), 0.5)
            assert made.low is not None
            assert made.high is not None
            beyond = "better" if made.low > 0.0 else "worse" if made.high < 0.0 else "no evidence"
            assert made.verdict == ("equivalent" if made.low > -0.5 and made.high < 0.5 else beyond)
            found.add(made.verdict)
        assert found == {"better", "equivalent", "no evidence"}

    def test_an_equivalence_is_one_though_the_difference_is_sure(self) -> None:
        made = compare([0.2, 0.21, 0.19, 0.2], 0.5)
        assert made.low is not None
        assert made.low > 0.0
        assert made.verdict == "equivalent"

    @pytest.mark.parametrize(
        ("differences", "verdict"),
        [((1.0,) * 3, "better"), ((-1.0,) * 3, "worse"), ((0.0,) * 3, "equivalent"), ((0.25,) * 4, "equivalent"),
         ((0.5,) * 3, "better")],
    )  # fmt: skip
    def test_seeds_that_agree_to_the_last_digit(self, differences: tuple[float, ...], verdict: str) -> None:
        made = compare(differences, 0.5)
        assert (made.verdict, made.low, made.high) == (verdict, differences[0], differences[0])

    def test_where_only_losses_count(self) -> None:
        gained = compare([3.0, -0.2, 1.0, 2.0, 0.5], 0.5, "loss")
        assert gained.verdict == "no worse"
        assert compare([3.0, -0.2, 1.0, 2.0, 0.5], 0.5).verdict == "no evidence"
        assert compare([-1.0, -1.1, -1.2], 0.5, "loss").verdict == "worse"
        assert compare([-0.1, -0.1, -0.2], 0.5, "loss").verdict == "no worse"


class TestTable:
    def test_holm_by_hand(self) -> None:
        # p values of two degrees of freedom, by their t: 1 - t / sqrt(2 + t^2)
        strong, weak = (9.0, 10.0, 11.0), (3.0, 4.0, 5.0)
        (one, other) = holm([compare(weak, 0.5), compare(strong, 0.5)])
        t_weak, t_strong = 4.0 * math.sqrt(3.0), 10.0 * math.sqrt(3.0)
        assert one.p == pytest.approx(1.0 - t_weak / math.hypot(t_weak, math.sqrt(2.0)))
        assert other.p == pytest.approx(2.0 * (1.0 - t_strong / math.hypot(t_strong, math.sqrt(2.0))))
        assert [one.verdict, other.verdict] == ["better", "better"]

    def test_a_difference_that_is_sure_alone_may_not_be_in_company(self) -> None:
        alone, noise = (2.0, 3.0, 4.0), (-2.0, 0.0, 2.1)  # t = 3 sqrt(3), p = 0.035
        assert verdicts(alone) == ["better"]
        assert verdicts(alone, noise) == ["no evidence", "no evidence"]

    def test_a_note_says_why_an_interval_clear_of_zero_has_no_verdict(self) -> None:
        line = "t test, 5 %"
        alone, noise, single = (compare(of, 1.0) for of in ((2.0, 3.0, 4.0), (-2.0, 0.0, 2.1), (1.0,)))
        assert inference.corrected([alone, single]) == inference.corrected([noise]) == line
        assert inference.corrected(inference.holm([alone, noise])).startswith(
            "t test, 5 %, Holm over the 2 verdicts of this table, so the interval of one line alone may be clear"
        )

    def test_what_has_no_verdict_counts_for_nothing(self) -> None:
        assert verdicts((2.0, 3.0, 4.0), (1.0,), (1.0, 5.0)) == ["better", "no verdict", "no verdict"]
        assert verdicts() == []

    def test_a_table_is_the_same_whatever_was_corrected_before(self) -> None:
        made = holm([compare(each, 0.5) for each in (THREE, (0.1, 0.0, 0.2), (-3.0, -1.0, -5.0))])
        assert holm(made) == made


class TestNear:
    @pytest.mark.parametrize(
        "differences",
        [
            (2.5, 3.5, 4.5, 3.0),
            (0.4, 0.6, 0.5, 0.9),
            (0.3, -0.1, 0.1, -0.2),
            (0.5, 2.0, 0.9, 2.5),
            (0.1, 2.0, -1.0, 0.5),
        ],
    )
    def test_the_chance_of_the_same_verdict_is_that_of_repetitions(self, differences: tuple[float, ...]) -> None:
        made = compare(differences, 0.7)
        draws = np.random.default_rng(4).normal(made.mean, made.std or 0.0, size=(2_000, len(differences)))
        same = np.mean([compare(each.tolist(), 0.7).verdict == made.verdict for each in draws])
        assert made.repeated == pytest.approx(same, abs=0.04)
        assert made.near == (made.repeated < 0.9)

    def test_of_a_table_it_is_that_of_the_level_of_the_table(self) -> None:
        alone = compare((2.5, 3.5, 4.5, 3.0), 0.5)
        both = holm([alone, compare((2.5, 3.6, 4.5, 3.0), 0.5)])
        assert both[0].repeated < alone.repeated

    def test_seeds_that_agree_and_seeds_that_are_too_few_are_not_near(self) -> None:
        assert not compare((1.0,) * 3, 0.5).near
        assert not compare((1.0, 2.0), 0.5).near


class TestSeedsNeeded:
    def test_settles_in_four_of_five_repetitions(self) -> None:
        made = compare([0.5, 1.5, -0.5, 1.0, 0.0], 0.2)  # mean 0.5, standard deviation 0.79
        assert made.seeds_needed is not None
        assert made.std is not None
        generator, shares = np.random.default_rng(2), []
        for n in (made.seeds_needed - 1, made.seeds_needed):
            draws = generator.normal(made.mean, made.std, size=(20_000, n))
            shares.append((stats.ttest_1samp(draws, 0.0, axis=1).pvalue < 0.05).mean())
        assert shares[0] < 0.8 + 0.01
        assert shares[1] > 0.8 - 0.01
        assert made.settled_by == str(made.seeds_needed)

    def test_of_equivalence_where_that_is_sooner(self) -> None:
        made = compare([0.5, -0.5, 0.4, -0.4, 0.0], 0.5)  # mean 0: no number of seeds shows a difference
        assert made.verdict == "no evidence"
        assert made.seeds_needed is not None
        assert made.std is not None
        draws = np.random.default_rng(3).normal(0.0, made.std, size=(2_000, made.seeds_needed))
        share = np.mean([compare(one.tolist(), 0.5).verdict == "equivalent" for one in draws])
        assert 0.78 < share < 0.9

    def test_more_than_can_be_said(self) -> None:
        made = compare([3.0, -3.0, 2.0, -1.9], 0.1)
        assert made.settled_by == "> 100"

    def test_what_is_settled_needs_none(self) -> None:
        assert compare([2.0, 2.1, 2.2], 0.5).settled_by == ""


def test_what_a_reader_is_told() -> None:
    assert compare([1.0, 2.0], 0.5).said() == "n = 2: no verdict"
    assert compare([3.4, 3.5, 3.6], 0.5).said({"better": "holds"}) == "holds"
    assert compare([1.0, 2.0, 3.0], 0.5).said({"better": "holds"}) == "no evidence, near the line"


def test_margins() -> None:
    assert [margin_of(examples) for examples in (None, 10_000, 1_000)] == [0.5, 0.5, 1.0]
    assert margin_of(1_000, 0.3) == 0.3
    with pytest.raises(UserError, match=r"--margin=-1: a margin of equivalence is a number above 0\."):
        margin_of(1_000, -1.0)


def test_the_error_of_a_test_set() -> None:
    # Wilson (1927), by hand: z = 1.96, n = 1000, share 0.95
    assert sampling_error(95.0, 1_000) == pytest.approx(1.3587, abs=1e-3)
    made = stats.binomtest(9_500, 10_000).proportion_ci(method="wilson")
    assert sampling_error(95.0, 10_000) == pytest.approx(50.0 * (made.high - made.low))
    assert sampling_error(100.0, 1_000) > 0.0
    for wrong in ((101.0, 10), (50.0, 0)):
        with pytest.raises(ValueError, match="allowed are 0 to 100 %"):
            sampling_error(*wrong)


def test_levels_are_the_usual_ones() -> None:
    assert (inference.LEVEL, inference.POWER, inference.FEWEST_SEEDS) == (0.05, 0.8, 3)


def test_differences_that_are_all_the_same_scatter_as_the_test_set_rounds_them() -> None:
    """Three times eight of 270 images: no more is known than that the rest is below one image."""
    of = compare([800.0 / 270.0] * 3, 1.0, step=100.0 / 270.0)
    assert of.std == pytest.approx(100.0 / 270.0 / math.sqrt(6.0))
    assert of.low is not None
    assert of.p is not None
    assert of.mean - of.low == pytest.approx(4.302653 * 100.0 / 270.0 / math.sqrt(18.0))
    assert 0.0 < of.p < 0.01
    assert compare([0.2, 0.6, 1.0], 1.0, step=0.1) == compare([0.2, 0.6, 1.0], 1.0)
