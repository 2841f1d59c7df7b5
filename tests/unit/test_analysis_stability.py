"""Answers, classes and masks over density, from hand-made points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pandas as pd
import pytest

from analysis.figures import stability
from analysis.records import frames, measured_frames
from pruneexp.errors import UserError
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import FigureContract
from tests.contracts.points import logged, point


def study() -> list[LoggedPoint]:
    """Two seeds at two densities; a third density was not compared."""
    return logged(*(point(seed=seed, density=density) for density in (0.5, 0.1, 0.05) for seed in (0, 1)))


def compared(records: Sequence[LoggedPoint], split: str = "test") -> pd.DataFrame:
    """The points with numbers that follow from density and seed."""
    found = {
        logged.run_id: {
            f"stability/{split}.agreement": 90.0 + 10.0 * logged.point.result.density - logged.point.identity.seed,
            f"stability/{split}.worst_class_change": -2.0,
            "stability/mask_overlap": 60.0,
            "stability/mask_overlap_by_chance": 100.0 * logged.point.result.density,
        }
        for logged in records if logged.point.result.density > 0.05
    }  # fmt: skip
    return measured_frames.with_stability(frames.frame(records), found)


class TestStability(FigureContract):
    name: ClassVar[str] = "stability"
    records = staticmethod(study)

    @classmethod
    def framed(cls, records: Sequence[Any]) -> pd.DataFrame:
        return compared(records)


def test_the_numbers_by_hand() -> None:
    made = stability.data(compared(study()))
    assert len(made.panels) == 3
    assert made.lacking == 2
    told = {curve.facet: [(mark.x, mark.y.mean, mark.y.n) for mark in curve.marks] for curve in made.found.curves}
    assert told == {
        "same answers as the dense network": [(50.0, 94.5, 2), (90.0, 90.5, 2)],
        "accuracy of the class that loses most": [(50.0, -2.0, 2), (90.0, -2.0, 2)],
        "kept weights that two seeds share": [(50.0, 60.0, 2), (90.0, 60.0, 2)],
        "masks shared by chance": [(50.0, 50.0, 2), (90.0, 10.0, 2)],
    }


def test_what_was_compared_on_another_split_is_asked_for() -> None:
    with pytest.raises(UserError, match=r"^no answers on val are compared: .* --split val` does it\.$"):
        stability.data(compared(study()), split="val")
    assert len(stability.data(compared(study(), "val"), split="val").panels) == 3
