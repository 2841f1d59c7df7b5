"""How often tables are wrong, and how often they find what is there: whole tables, simulated."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import pytest

from analysis.statistics.inference import Comparison, compare, holm

TABLES, CLAIMS, DENSITIES, MARGIN = 300, 4, 5, 1.0
#: Of wrong tables, and three standard errors of a simulation of so many.
ALLOWED = 0.05 + 3.0 * math.sqrt(0.05 * 0.95 / TABLES)

Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def normal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.standard_normal(shape)


def heavy(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Student's t with three degrees of freedom: a network in fifty is off by more than three."""
    return generator.standard_t(3, shape)


def coarse(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """In steps of 0.1 points, as a test set of 1,000 images gives them."""
    return np.round(0.3 * generator.standard_normal(shape), 1)


@functools.cache
def tables(noise: Noise, seeds: int, mean: float = 0.0) -> list[tuple[Comparison, ...]]:
    """Tables of claims with the same true difference; the densities of a seed share half of what is random."""
    generator = np.random.default_rng(seeds)
    own = noise(generator, (TABLES, CLAIMS, seeds, DENSITIES))
    shared = noise(generator, (TABLES, CLAIMS, seeds, 1))
    differences = (mean + own + shared).mean(axis=3)
    return [holm([compare(claim.tolist(), MARGIN) for claim in table]) for table in differences]


def share(made: list[tuple[Comparison, ...]], *verdicts: str) -> float:
    """Of the tables with one of these verdicts."""
    return sum(any(one.verdict in verdicts for one in table) for table in made) / len(made)


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_or_two_seeds_have_no_verdict(seeds: int) -> None:
    made = tables(normal, seeds)
    assert share(made, "better", "worse") == 0.0
    assert share(made, "no verdict") == 1.0


@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize("noise", [normal, heavy, coarse])
def test_tables_without_a_difference_rarely_find_one(noise: Noise, seeds: int) -> None:
    made = tables(noise, seeds)
    assert share(made, "better", "worse") <= ALLOWED
    assert share(made, "no verdict") == 0.0


@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize("noise", [normal, coarse])
def test_tables_of_differences_as_large_as_the_margin_rarely_say_equivalent(noise: Noise, seeds: int) -> None:
    assert share(tables(noise, seeds, MARGIN), "equivalent") <= ALLOWED


def test_a_difference_of_two_points_is_found_with_six_seeds() -> None:
    found = [one.verdict for table in tables(normal, 6, 2.0) for one in table]
    assert found.count("better") / len(found) > 0.7
    assert found.count("worse") == 0


def test_what_is_the_same_is_found_to_be_with_six_seeds() -> None:
    found = [one.verdict for table in tables(coarse, 6) for one in table]
    assert found.count("equivalent") / len(found) > 0.9
