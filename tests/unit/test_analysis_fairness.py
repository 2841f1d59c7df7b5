"""Scores beside the training behind them: sums by hand, with the dense network charged and not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.records import frames
from analysis.statistics.spending import of_all_sizes
from analysis.statistics.tradeoffs import Asked, numbers
from analysis.tables import fairness
from pruneexp.errors import UserError
from pruneexp.schema import Effort, Ledger, TradeoffPoint
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import TableContract
from tests.contracts.points import logged, point, with_settings

DENSE = Effort(epochs=10.0, flop=1e9)


def trained(made: TradeoffPoint, *, retrain: float = 0.0, scratch: float = 0.0) -> TradeoffPoint:
    """The point after so many epochs, of 50 MFLOP each, and ten of the dense network."""
    again, fresh = (Effort(epochs=epochs, flop=5e7 * epochs) for epochs in (retrain, scratch))
    return replace(made, result=replace(made.result, ledger=Ledger(dense=DENSE, retrain=again, scratch=fresh)))


def study() -> list[LoggedPoint]:
    """Two sizes, fine-tuned for two epochs and trained from scratch for ten."""
    made = []
    for seed in (0, 1):
        for density in (0.5, 0.1):
            made.append(trained(point(seed=seed, density=density, after=96.0 - seed), retrain=2.0))
            made.append(trained(point(seed=seed, density=density, after=95.0, mode="scratch_e"), scratch=10.0))
    return logged(*made)


class TestFairness(TableContract):
    name = "fairness"
    records = staticmethod(study)


def test_the_table_by_hand() -> None:
    sheet = fairness.sheet(fairness.data(frames.frame(study())))
    assert sheet.header == (
        "Density",
        "Mode",
        "Test top-1 accuracy, %",
        "n",
        "Epochs",
        "and dense",
        "FLOP",
        "and dense",
    )
    tuned, fresh = ("95.50 ± 0.71", "2"), ("95.00 ± 0.00", "2")
    assert [tuple(cell.text for cell in row) for row in sheet.rows] == [
        ("0.5", "fine-tuning", *tuned, "2", "12", "100 M", "1.1 G"),
        ("0.5", "Scratch-E", *fresh, "10", "20", "500 M", "1.5 G"),
        ("0.1", "fine-tuning", *tuned, "2", "12", "100 M", "1.1 G"),
        ("0.1", "Scratch-E", *fresh, "10", "20", "500 M", "1.5 G"),
        ("all 2", "fine-tuning", *tuned, "4", "14", "200 M", "1.2 G"),  # the dense network once
        ("all 2", "Scratch-E", *fresh, "20", "30", "1 G", "2 G"),
    ]
    assert sheet.title == "Scores beside the training behind them: LeNet-5 on MNIST (5,000 digits)"


@pytest.mark.parametrize(
    ("mode", "epochs", "expected"),
    [("prune", (0.0, 0.0), 4.0), ("rewind", (8.0, 16.0), 4.0 + 16.0), ("scratch_e", (10.0, 10.0), 4.0 + 20.0)],
)
def test_rounds_that_lead_to_sparser_networks_count_once(
    mode: str, epochs: tuple[float, float], expected: float
) -> None:
    made = []
    for density, rounds, own in zip((0.5, 0.1), (2.0, 4.0), epochs, strict=True):
        one = trained(point(mode=mode, density=density, schedule="progressive"), retrain=rounds, scratch=own)
        made.append(with_settings(one, path="0.5,0.1"))
    added, whole, *_ = of_all_sizes(frames.frame(logged(*made)))
    assert (added, whole) == (expected, expected + 10.0)


def test_a_seed_without_all_sizes_is_not_of_their_sum() -> None:
    made = fairness.data(frames.frame(study()[:-2]))
    every = [line for line in made.lines if not line.budget]
    assert [(line.sizes, line.score.n) for line in every] == [(2, 1), (2, 1)]


def test_training_is_an_axis_of_retrained_networks() -> None:
    found = [numbers(frames.frame(study()), Asked(x=x, color="mode")) for x in ("added_epochs", "training_flop")]
    assert {curve.moment for one in found for curve in one.curves} == {"after"}
    assert [[mark.x for mark in curve.marks] for one in found for curve in one.curves] == [
        [2.0, 2.0], [10.0, 10.0], [1.1e9, 1.1e9], [1.5e9, 1.5e9],
    ]  # fmt: skip


def test_nothing_to_show_names_the_split() -> None:
    bare = [one._replace(point=replace(one.point, result=replace(one.point.result, test=None))) for one in study()]
    with pytest.raises(UserError, match="no point with a top-1 accuracy on test is logged"):
        fairness.data(frames.frame(bare))
