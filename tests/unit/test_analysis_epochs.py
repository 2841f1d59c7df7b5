"""Scores by epoch of retraining, from hand-made points."""

from __future__ import annotations

from typing import ClassVar

import pandas as pd
import pytest

from analysis.figures import epochs
from analysis.records import frames
from pruneexp.errors import UserError
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import FigureContract
from tests.contracts.points import logged, point, with_settings


def seeds() -> list[LoggedPoint]:
    """Two seeds of pruning at once with six epochs, and in rounds of three."""
    return logged(*(with_settings(point(schedule=schedule, seed=seed), retrain_epochs=each)
                    for schedule, each in (("one_shot", 6.0), ("progressive", 3.0)) for seed in (0, 1)))  # fmt: skip


COURSES = {one.run_id: {epoch: 90.0 + epoch + place for epoch in range(1, 7)} for place, one in enumerate(seeds())}


def _frame(points: list[LoggedPoint]) -> pd.DataFrame:
    return frames.with_courses(frames.frame(points), COURSES)


class TestEpochs(FigureContract):
    name: ClassVar[str] = "epochs"
    records = staticmethod(seeds)
    courses = COURSES


def test_the_curves_by_hand() -> None:
    once, rounds = epochs.data(_frame(seeds())).courses
    assert once.rounds == (0,)
    assert (once.label, rounds.label) == ("one-shot, 6 epochs", "progressive, 2 × 3 epochs")
    assert rounds.rounds == (0, 3)
    assert [(epoch, score.mean, score.n) for epoch, score in once.epochs][::5] == [(1, 91.5, 2), (6, 96.5, 2)]
    assert rounds.epochs[0][1].low == 93.0


def test_curves_stand_in_the_order_of_what_tells_them_apart() -> None:
    rounds = {1: "d", 2: "c", 8: "a"}  # with hashes in another order
    points = logged(*(with_settings(point(schedule="iterative"), rounds=count, schedule_settings=hashed)
                      for count, hashed in rounds.items()))  # fmt: skip
    made = epochs.data(frames.with_courses(frames.frame(points), {one.run_id: {1: 90.0} for one in points}))
    assert [course.label for course in made.courses] == ["1 round", "2 rounds", "8 rounds"]


def test_several_budgets_are_to_be_chosen_from() -> None:
    points = logged(point(density=0.1), point(density=0.5))
    with pytest.raises(UserError, match=r"^epochs are shown of one budget: choose one of 0\.1, 0\.5, as `--where"):
        epochs.data(frames.with_courses(frames.frame(points), {one.run_id: {1: 90.0} for one in points}))


def test_points_without_scores_by_epoch_are_said() -> None:
    with pytest.raises(UserError, match=r"^no point tells its scores by epoch"):
        epochs.data(frames.with_courses(frames.frame(seeds()), {}))
