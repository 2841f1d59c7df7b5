"""What other seeds might have chosen, against known distributions and simulated studies."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.statistics import choices

RATES = [2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 40.0]


def test_means_that_other_seeds_might_give_have_students_t_distribution() -> None:
    one = {0: 1.0, 1: 2.0, 2: 6.0}
    drawn = choices.means([one, {seed: 10.0 - value for seed, value in one.items()}, {7: 5.0}])
    scaled = (drawn[:, 0] - 3.0) / (7.0**0.5 / 3**0.5)  # the variance is 7
    assert float(np.quantile(scaled, 0.975)) == pytest.approx(4.303, rel=0.1)
    assert float(np.quantile(scaled, 0.75)) == pytest.approx(0.816, rel=0.1)
    assert drawn[:, 0] + drawn[:, 1] == pytest.approx(10.0)  # what a seed does to both stays in common
    assert set(drawn[:, 2]) == {5.0}


def test_the_largest_that_is_allowed_by_hand() -> None:
    merits = np.array([[3.0, 2.0, 2.5], [0.5, 2.0, 2.5], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    assert list(choices.largest_allowed([1.0, 2.0, 2.0], merits, np.ones(4))) == [2, 2, -1, 1]


@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize(
    ("gains", "truth"),
    [((0.3, 0.3, 0.2, 0.1, 0.05, -0.1, -0.3, -1.0, -3.0), 10.0), ((0.5,) * 6 + (-0.5, -1.0, -3.0), 15.0)],
)
def test_simulated_studies_have_the_true_rate_in_their_interval(
    seeds: int, gains: tuple[float, ...], truth: float
) -> None:
    random, hits = np.random.default_rng(3), 0
    for _ in range(100):
        common = 96.0 + random.normal(0.0, 0.2, seeds)  # what a seed does to all networks
        reference, *others = (gain + common + random.normal(0.0, 0.25, seeds) for gain in (0.0, *gains))
        drawn = choices.means([dict(enumerate(values)) for values in (reference, *others)], 1_000)
        chosen = choices.largest_allowed(RATES, drawn[:, 1:], drawn[:, 0])
        low, high = choices.interval(np.where(chosen >= 0, np.array(RATES)[chosen], 1.0))
        hits += low <= truth <= high
    assert hits >= 90  # of 100, where 95 are to be expected or more
