"""Figures of what retraining does, from hand-made points: losses along a line, weights over epochs, scores back."""

from __future__ import annotations

from typing import ClassVar

import pandas as pd
import pytest

from analysis.figures import loss_line, recovery, weight_epochs
from analysis.publishing.materials import SOURCES
from analysis.records import frames
from pruneexp.errors import UserError
from pruneexp.schema import EpochWeights, LayerCourse, LineLoss, Retraining, read_retraining
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import FigureContract
from tests.contracts.points import logged, point, with_settings


def seeds() -> list[LoggedPoint]:
    """Two seeds at one budget: val falls from 97 to 60 %."""
    return logged(*(with_settings(point(seed=seed), retrain_epochs=3.0) for seed in (0, 1)))


def budgets() -> list[LoggedPoint]:
    """Those, and two more at a budget that takes half a point."""
    mild = (with_settings(point(density=0.5, before=96.5, seed=seed), retrain_epochs=3.0) for seed in (0, 1))
    return [*seeds(), *logged(*mild)]


def _layer(width: float, gap: float, *counts: tuple[int, ...]) -> LayerCourse:
    """Weights after epochs 0 and 3."""
    epochs = tuple(EpochWeights(3 * place, each, 2.0 + 3 * place, 0.3 * place) for place, each in enumerate(counts))
    return LayerCourse(layer="fc1", width=width, gap=gap, epochs=epochs)


#: The same weights in units of their gaps, in bins of half a gap and of a whole one.
FINE = _layer(0.5, 1.0, (6, 0, 0, 0, 0, 6), (0, 3, 3, 3, 3, 0))
FC1 = (FINE, _layer(4.0, 4.0, (0, 6, 0, 0, 6, 0), (0, 0, 6, 6, 0, 0)))
LINES = [tuple(LineLoss(t, train + seed, 2.0 * train) for t, train in ((0.0, 3.0), (1.0, 1.0))) for seed in (0, 1)]
FOUND = {one.run_id: Retraining(examples=100, batchnorm=False, line=line, layers=(layer,))
         for one, line, layer in zip(seeds(), LINES, FC1, strict=True)}  # fmt: skip
COURSES = {one.run_id: {epoch: 60.0 + 9.25 * epoch * (1 + place % 2) for epoch in (1, 2)}
           for place, one in enumerate(budgets())}  # fmt: skip


def _frame() -> pd.DataFrame:
    return frames.with_retrainings(frames.frame(seeds()), FOUND)


class TestRecovery(FigureContract):
    name: ClassVar[str] = "recovery"
    records = staticmethod(seeds)
    courses = COURSES


class TestLossLine(FigureContract):
    name: ClassVar[str] = "loss_line"
    records = staticmethod(seeds)
    retrainings = FOUND


class TestWeightEpochs(FigureContract):
    name: ClassVar[str] = "weight_epochs"
    records = staticmethod(seeds)
    retrainings = FOUND


def test_shares_by_hand_and_what_loses_little_is_left_out() -> None:
    made = recovery.data(frames.with_courses(frames.frame(budgets()), COURSES))
    (line,) = made.lines
    assert line.shares == ((0, (0.0, 0.0)), (1, (25.0, 50.0)), (2, (50.0, 100.0)))
    assert made.slight == ("density=0.5",)
    last = list(recovery.rows(made))[-1]
    assert (last["epoch"], last["share_mean"], last["n"]) == (2, 75.0, 2)
    assert (last["share_min"], last["share_max"]) == (50.0, 100.0)
    assert last["share_low"] == pytest.approx(75.0 - 12.7062 * 25.0, abs=0.01)
    assert last["share_high"] == pytest.approx(75.0 + 12.7062 * 25.0, abs=0.01)


def test_of_rounds_the_epochs_after_the_last_cut_count() -> None:
    points = logged(with_settings(point(schedule="progressive"), retrain_epochs=2.0, rounds=2))
    courses = {points[0].run_id: {1: 96.0, 2: 96.5, 3: 78.5, 4: 97.0}}
    (line,) = recovery.data(frames.with_courses(frames.frame(points), courses)).lines
    assert line.shares == ((0, (0.0,)), (1, (50.0,)), (2, (100.0,)))


def test_nothing_lost_and_too_many_points_are_one_sentence() -> None:
    mild = budgets()[2:]
    with pytest.raises(UserError, match=r"^before retraining none of these networks loses 1 point on val"):
        recovery.data(frames.with_courses(frames.frame(mild), COURSES))
    many = pd.concat([frames.frame(mild)] * 501)
    with pytest.raises(UserError, match=r"1,000 at most, and 1,002 are chosen"):
        SOURCES["courses"].completed(many, "sqlite:///nowhere.db")


def test_losses_over_seeds_by_hand() -> None:
    told = [
        (row["split"], row["t"], row["mean"], row["low"], row["high"])
        for row in loss_line.rows(loss_line.data(_frame()))
    ]
    train = [("train", 0.0, 3.5, 3.0, 4.0), ("train", 1.0, 1.5, 1.0, 2.0)]
    assert told == [*train, ("val", 0.0, 6.0, 6.0, 6.0), ("val", 1.0, 2.0, 2.0, 2.0)]


def test_histograms_of_seeds_in_units_of_their_gaps() -> None:
    (layer,) = weight_epochs.data(_frame(), layer="fc1").layers
    before, after = layer.epochs
    assert (layer.kept, layer.gap, layer.width, len(before.densities)) == (12.0, 2.5, 1.0, 4)
    assert before.densities == (0.5, 0.0, 0.0, 0.5)
    assert after.densities == (0.0, 0.5, 0.5, 0.0)
    assert after.growth.mean == pytest.approx(150.0)
    assert after.inside.mean == pytest.approx(30.0)
    with pytest.raises(UserError, match=r"^--layer fc9: no such layer; there are fc1\.$"):
        weight_epochs.data(_frame(), layer="fc9")


def test_a_file_is_read_as_it_was_written() -> None:
    made = next(iter(FOUND.values()))
    assert read_retraining(made.text()) == made
    for broken in ("[1]", '{"line": []}', "{"):
        with pytest.raises(ValueError, match=r"."):
            read_retraining(broken)
