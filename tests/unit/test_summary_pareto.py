"""The Pareto front: by hand, and against the definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pruneexp.summary.pareto import dominated, pareto_front

Scores = list[tuple[float, float]]


@pytest.mark.parametrize(
    ("others", "margin", "expected"),
    [
        ([], 0.0, False),
        ([(90.0, 0.5)], 0.0, False),  # an equal one is not better
        ([(90.0, 0.4)], 0.0, True),
        ([(91.0, 0.5)], 0.0, True),
        ([(99.0, 0.6)], 0.0, False),  # larger
        ([(89.0, 0.1)], 0.0, False),  # less accurate
        ([(90.5, 0.4)], 1.0, False),  # not by the margin
        ([(91.0, 0.5)], 1.0, True),
        ([(80.0, 0.1), (92.0, 0.3)], 1.0, True),
    ],
)
def test_dominated_is_by_the_margin_and_no_larger(
    others: list[tuple[float, float]], margin: float, expected: bool
) -> None:
    assert dominated((90.0, 0.5), others, margin) is expected


def test_the_front_begins_with_the_sparsest_and_has_equal_scores_once() -> None:
    scores = {"dense": (97.0, 1.0), "worse": (96.0, 0.5), "half": (96.5, 0.5), "again": (96.5, 0.5), "few": (90.0, 0.1)}
    assert pareto_front(scores) == ["few", "half", "dense"]
    assert pareto_front({}) == []


@given(st.lists(st.tuples(st.integers(90, 95).map(float), st.integers(1, 6).map(float)), max_size=12))
def test_the_front_is_what_no_other_dominates(scores: Scores) -> None:
    found = pareto_front(dict(enumerate(scores)))
    assert {scores[name] for name in found} == {one for one in scores if not dominated(one, scores)}
    assert len({scores[name] for name in found}) == len(found)
    assert sorted(found, key=lambda name: scores[name][1]) == found
