"""Recipes: learning rates worked by hand, and values that are refused."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pruneexp.training.recipe import Recipe, learning_rate

PLAIN = Recipe(epochs=4, batch_size=8, optimizer="sgd", lr=0.1)


def changed(**values: Any) -> Recipe:
    return dataclasses.replace(PLAIN, **values)


def test_constant() -> None:
    assert {learning_rate(PLAIN, step, 10) for step in range(10)} == {0.1}


def test_steps_at_half_and_three_quarters() -> None:
    recipe = changed(schedule="step", milestones=(0.5, 0.75))
    rates = [learning_rate(recipe, step, 8) for step in range(8)]
    assert rates == pytest.approx([0.1] * 4 + [0.01] * 2 + [0.001] * 2)


def test_a_longer_training_stretches_the_milestones() -> None:
    recipe = changed(schedule="step", milestones=(0.3,))
    assert [learning_rate(recipe, step, 10) for step in (2, 3)] == pytest.approx([0.1, 0.01])
    assert [learning_rate(recipe, step, 20) for step in (5, 6)] == pytest.approx([0.1, 0.01])


def test_cosine() -> None:
    recipe = changed(schedule="cosine")
    rates = [learning_rate(recipe, step, 4) for step in range(4)]
    assert rates == pytest.approx([0.1, 0.05 * (1 + math.sqrt(0.5)), 0.05, 0.05 * (1 - math.sqrt(0.5))])


def test_warmup_rises_and_hands_over() -> None:
    recipe = changed(schedule="cosine", warmup=0.4)
    rates = [learning_rate(recipe, step, 10) for step in range(10)]
    assert rates[:5] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])
    assert rates[7] == pytest.approx(0.05)


@given(
    st.sampled_from(["constant", "step", "cosine"]),
    st.floats(0, 0.9),
    st.integers(1, 300),
    st.floats(0.01, 1),
    st.data(),
)
def test_rates_stay_between_zero_and_the_full_rate(
    schedule: str, warmup: float, total: int, gamma: float, data: st.DataObject
) -> None:
    recipe = changed(schedule=schedule, milestones=(0.2, 0.9), warmup=warmup, gamma=gamma)
    rate = learning_rate(recipe, data.draw(st.integers(0, total - 1)), total)
    assert 0 < rate <= recipe.lr * (1 + 1e-12)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", -1),
        ("epochs", 1.5),
        ("batch_size", 0),
        ("optimizer", "rmsprop"),
        ("lr", 0.0),
        ("lr", math.nan),
        ("momentum", 1.0),
        ("nesterov", True),
        ("schedule", "linear"),
        ("milestones", (0.5, 0.2)),
        ("milestones", (0.0,)),
        ("gamma", 0.0),
        ("warmup", 1.0),
        ("clip", 0.0),
        ("precision", "float16"),
        ("label_smoothing", 1.0),
    ],
)
def test_out_of_range(name: str, value: object) -> None:
    others = {"momentum": 0.0} if name == "nesterov" else {}
    with pytest.raises(ValueError, match=rf"^{name} is .*; allowed is ") as caught:
        changed(**{name: value}, **others)
    assert repr(value) in str(caught.value)


def test_a_step_schedule_needs_a_milestone() -> None:
    with pytest.raises(ValueError, match="at least one with schedule 'step'"):
        changed(schedule="step")


def test_milestones_may_come_as_a_list() -> None:
    assert changed(schedule="step", milestones=[0.5]) == changed(schedule="step", milestones=(0.5,))
