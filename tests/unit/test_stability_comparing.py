"""Answers and masks held against each other, by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pruneexp.errors import UserError
from pruneexp.pruning.masks import MaskSet
from pruneexp.stability.comparing import Guesses, changes, guesses, overlap
from tests.contracts.jobs import built

LABELS = torch.tensor([0, 0, 0, 0, 1, 1, 3, 3])


def guessed(*answers: int) -> Guesses:
    return Guesses(torch.tensor(answers), LABELS)


def test_answers_by_hand() -> None:
    dense = guessed(0, 0, 0, 1, 1, 0, 3, 3)
    found = changes(dense, guessed(0, 0, 1, 1, 1, 1, 3, 0))
    assert found.agreement == 62.5  # all but the third, the sixth and the last
    assert (found.lost, found.won) == (25.0, 12.5)
    assert found.class_changes[:2] == (-25.0, 50.0)
    assert math.isnan(found.class_changes[2])  # of which there is no example
    assert (found.worst_class, found.worst_change) == (3, -50.0)
    assert changes(dense, dense).agreement == 100.0


def test_wrong_answers_may_differ_too() -> None:
    found = changes(guessed(1, 1, 1, 1, 0, 0, 0, 0), guessed(3, 3, 3, 3, 3, 3, 1, 1))
    assert (found.agreement, found.lost, found.won, found.worst_change) == (0.0, 0.0, 0.0, 0.0)


def masks(*kept: int) -> MaskSet:
    """Two layers of four weights each; ``kept`` are places from 0 to 7."""
    flat = torch.zeros(8, dtype=torch.bool)
    flat[list(kept)] = True
    return MaskSet({"a": flat[:4], "b": flat[4:]})


def test_overlap_by_hand() -> None:
    assert overlap([masks(0, 1)]) is None
    same = overlap([masks(0, 1, 4), masks(0, 1, 4)])
    assert same is not None
    assert same.shared == 100.0
    assert same.chance == pytest.approx(100.0 * (2 * 2 / 4 + 1 / 4) / 3)
    three = overlap([masks(0, 1), masks(1, 2), masks(2, 3)])
    assert three is not None
    assert three.shared == pytest.approx((50.0 + 0.0 + 50.0) / 3)
    assert three.chance == pytest.approx(50.0)


def test_answers_need_classes() -> None:
    learner = built().setting.learner

    class Regression:
        name = "regression"

    class Values:
        def batches(self, size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
            return ((inputs, labels.float()) for inputs, labels in learner.data.value.val.batches(size, device))

    other = replace(learner, task=replace(learner.task, value=Regression()))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="the task regression has no classes"):
        guesses(other, learner.network("fresh"), Values())  # type: ignore[arg-type]
