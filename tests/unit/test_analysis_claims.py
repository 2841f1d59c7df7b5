"""The paper's claims, tried on points whose answers are known."""

from __future__ import annotations

from typing import ClassVar

import pytest

from analysis.records import frames
from analysis.statistics import selection
from analysis.tables import claims
from pruneexp.errors import UserError
from pruneexp.schema import TradeoffPoint
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import TableContract
from tests.contracts.points import logged, point

L1, L2, ITERATIVE = ("l1", "one_shot"), ("l2", "one_shot"), ("l2", "progressive")


def one(curve: tuple[str, str], density: float, seed: int, before: float, after: float) -> TradeoffPoint:
    reg, schedule = curve
    return point(reg=reg, schedule=schedule, density=density, seed=seed, before=before, after=after, dense=97.0)


def study() -> list[LoggedPoint]:
    """L1 is better before; after, L2 is better at 0.5 and the seeds disagree at 0.1; iterative is free at 0.1."""
    return logged(
        *(one(L1, 0.5, seed, 90.0, 96.0) for seed in (0, 1)),
        *(one(L2, 0.5, seed, 80.0, 96.5) for seed in (0, 1)),
        *(one(L1, 0.1, seed, 50.0, 95.0) for seed in (0, 1)),
        one(L2, 0.1, 0, 40.0, 95.5),
        one(L2, 0.1, 1, 30.0, 94.5),
        one(ITERATIVE, 0.1, 0, 40.0, 97.0),
        one(ITERATIVE, 0.1, 1, 30.0, 98.0),
    )


class TestClaims(TableContract):
    name: ClassVar[str] = "claims"
    records = staticmethod(study)


def _tried(points: list[LoggedPoint]) -> dict[str, claims.Tried]:
    made = claims.data(selection.latest(frames.frame(points)))
    return {tried.claim: tried for tried in made.tried}


def test_verdicts_by_hand() -> None:
    tried = list(_tried(study()).values())
    assert [(made.count("for"), made.count("against"), made.count("open")) for made in tried] == [
        (2, 0, 0),
        (1, 0, 1),
        (1, 0, 0),
        (1, 0, 0),
    ]
    assert [made.verdict for made in tried] == ["holds", "not settled", "holds", "holds"]


def test_differences_are_paired_by_seed() -> None:
    before = _tried(study())["without retraining, L1 beats L2"]
    low = before.trials[-1].difference
    assert (low.mean, low.low, low.high, low.n) == (15.0, 10.0, 20.0, 2)


def test_the_opposite_is_said() -> None:
    reversed_ = logged(one(L1, 0.5, 0, 70.0, 97.0), one(L2, 0.5, 0, 80.0, 96.0))
    assert {made.verdict for made in _tried(reversed_).values()} == {"does not hold"}


def test_a_side_alone_is_no_trial() -> None:
    with pytest.raises(UserError, match="no claim can be tried"):
        _tried(logged(one(L1, 0.5, 0, 70.0, 97.0)))


def test_settings_that_differ_are_not_compared() -> None:
    mixed = logged(
        one(L1, 0.5, 0, 70.0, 97.0),
        point(reg="l2", density=0.5, before=80.0, after=96.0, criterion="random"),
    )
    with pytest.raises(UserError, match="no claim can be tried"):
        _tried(mixed)
