"""Mean scores of several sizes against what trains them all: sums by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from analysis.figures import several_sizes
from analysis.records import frames
from pruneexp.errors import UserError
from pruneexp.schema import Effort, Ledger, TradeoffPoint
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import FigureContract
from tests.contracts.points import logged, point

#: Test scores by density, and the FLOP of retraining and of training from scratch, where the dense network takes 100.
SCORES = {0.5: 96.0, 0.2: 94.0, 0.1: 89.0}
TOOK = {"prune": 10.0, "scratch_e": 60.0}


def trained(seed: int, density: float, mode: str, dense: float = 100.0) -> TradeoffPoint:
    made = point(seed=seed, density=density, mode=mode, after=SCORES[density] + seed)
    work = {"retrain" if mode == "prune" else "scratch": Effort(flop=TOOK[mode])}
    return replace(made, result=replace(made.result, ledger=Ledger(dense=Effort(flop=dense), **work)))


def study() -> list[LoggedPoint]:
    return logged(*(trained(seed, density, mode) for seed in (0, 1) for density in SCORES for mode in TOOK))


class TestSeveralSizes(FigureContract):
    name: ClassVar[str] = "several_sizes"
    records = staticmethod(study)


def test_the_dense_network_is_trained_once_for_all_sizes() -> None:
    made = several_sizes.data(frames.frame(study()))
    charged, given = (
        {curve.told: [(round(mark.x, 9), mark.y.mean) for mark in curve.marks] for curve in panel.curves}
        for panel in made.panels
    )
    means = (96.5, 95.5, 93.5)
    assert charged == {
        "fine-tuning": list(zip((1.1, 1.2, 1.3), means, strict=True)),
        "Scratch-E": list(zip((1.6, 2.2, 2.8), means, strict=True)),
    }
    assert given["Scratch-E"] == list(zip((0.6, 1.2, 1.8), means, strict=True))


def test_only_sizes_that_every_mode_has_are_compared() -> None:
    some = [trained(seed, density, mode) for seed in (0, 1) for density in SCORES for mode in TOOK
            if (density, mode) != (0.1, "scratch_e")]  # fmt: skip
    made = several_sizes.data(frames.frame(logged(*some)))
    assert [len(curve.marks) for curve in made.curves] == [2, 2]
    rows = list(several_sizes.rows(made))
    assert [row["sizes"] for row in rows] == ["1", "2"] * 4
    assert [len(row["runs"].split()) for row in rows] == [2, 4] * 4  # of two seeds


@pytest.mark.parametrize(("densities", "dense"), [([0.5], 100.0), ([0.5, 0.1], 0.0)])
def test_one_size_or_no_training_of_the_dense_network_is_nothing_to_show(densities: list[float], dense: float) -> None:
    frame = frames.frame(logged(*(trained(0, density, "prune", dense) for density in densities)))
    with pytest.raises(UserError, match="no trained network is logged at two budgets"):
        several_sizes.data(frame)
