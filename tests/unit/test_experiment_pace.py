"""How long a plan says that work takes: ranges, of guesses, and of what has been measured."""

from __future__ import annotations

import math

import pytest

from pruneexp.experiment.pace import BESIDE, GUESSED, MEASURED, Paces
from pruneexp.experiment.plan import Plan, Work, between
from pruneexp.stages.graph import StageKind

DENSE, RETRAIN = StageKind("dense", "to train"), StageKind("retrain", "to retrain")


def paces(guess: float = 2.0) -> Paces:
    return Paces(lambda _: guess, guessed={"small": guess})


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (10.4, 80.0, "10 to 80 s"),
        (110.0, 240.0, "2 to 4 min"),
        (20.0, 120.0, "0 to 2 min"),
        (121.0, 122.0, "2 min"),
        (3000.0, 9000.0, "0.8 to 2.5 h"),
    ],
)
def test_a_range_has_one_unit(low: float, high: float, expected: str) -> None:
    assert between(low, high) == expected


def test_a_guess_is_a_wide_range_and_a_measurement_a_narrow_one() -> None:
    known = paces()
    assert known.seconds(("dense", "small")) == (2.0 * GUESSED[0], 2.0 * GUESSED[1])
    known.learn(("dense", "small"), {"effort": {"epochs": 30.0, "seconds": 90.0}})
    known.learn(("dense", "small"), {"effort": {"epochs": 10.0, "seconds": 110.0}})  # 200 s for 40 epochs
    assert known.seconds(("dense", "small")) == (5.0 * MEASURED[0], 5.0 * MEASURED[1])
    assert known.seconds(("retrain", "small")) == (5.0 * MEASURED[0], 5.0 * MEASURED[1])  # of the same network
    known.learn(("retrain", "small"), {"effort": {"epochs": 1.0, "seconds": 1.0}})
    assert known.seconds(("retrain", "small")) == MEASURED
    assert all(map(math.isnan, known.seconds(("dense", "large"))))


def test_records_without_a_training_teach_nothing() -> None:
    known = paces()
    for record in ({}, {"effort": None}, {"effort": {"epochs": 0.0, "seconds": 3.0}}):
        known.learn(("dense", "small"), record)
    assert known.measured == {}


def test_what_is_missing_is_shared_by_the_jobs_that_run_at_once() -> None:
    missing = {
        "a": Work(DENSE, 0, 10, 1e9, ("dense", "small")),
        "b": Work(RETRAIN, 2, 20, 1e9, ("retrain", "small")),
        "c": Work(StageKind("mask", "to cut"), 1, 0, 0.0),
    }
    alone = Plan(1, 0, missing, {}, (), paces=paces(3.0))
    assert alone.seconds() == pytest.approx((90 * GUESSED[0] + 3 * BESIDE, 90 * GUESSED[1] + 6 * BESIDE))
    both = Plan(1, 0, missing, {}, (), paces=paces(3.0), at_once=2)
    assert both.seconds() == pytest.approx(tuple(seconds / 2 for seconds in alone.seconds()))
    assert dict(both.lines())["work"].endswith("2 jobs at a time")


def test_a_job_that_does_not_know_how_long_says_nothing_of_it() -> None:
    missing = {"a": Work(DENSE, 0, 10, 1e9, ("dense", "small"))}
    assert dict(Plan(1, 0, missing, {}, (), paces=paces(math.nan)).lines())["work"] == "1e+09 FLOP"


def test_a_plan_of_hours_tells_them_on_a_gpu_that_has_a_name() -> None:
    at_scale = {"a": Work(DENSE, 0, 90, 90 * 1.28e6 * 3 * 8.2e9)}  # ResNet-50 on ImageNet
    said = dict(Plan(1, 0, at_scale, {}, (), paces=paces(math.nan)).lines())["gpu"]
    assert said.startswith("16.8 to 50.5 h on one NVIDIA A100, at 30 to 10 % of its 156 TFLOP/s")
    assert "gpu" not in dict(Plan(1, 0, {"a": Work(DENSE, 0, 1, 1.6e17)}, {}, (), paces=paces(math.nan)).lines())


def test_a_plan_says_what_is_trained_by_where_something_is_to_train() -> None:
    missing = {"a": Work(DENSE, 0, 10, 1e9, ("dense", "small"))}
    assert dict(Plan(1, 0, missing, {}, (), recipe="mnist5k_lenet5").lines())["recipe"] == "mnist5k_lenet5"
    assert "recipe" not in dict(Plan(1, 1, {}, missing, (), recipe="mnist5k_lenet5").lines())
