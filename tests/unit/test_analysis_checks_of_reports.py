"""Checks of what is recorded, each on points by hand that it holds of and on points that it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from analysis.records import frames
from analysis.statistics.checklist import Finding
from analysis.statistics.checks_of_reports import CHECKS
from pruneexp.schema import TradeoffPoint
from tests.contracts.points import as_text, logged, point, with_settings

DENSITIES = (0.5, 0.25, 0.12, 0.06, 0.03)
FULL = {"train_lr": 0.1, "batch_size": 64, "optimizer": "sgd", "train_schedule": "cosine", "augment": "none",
        "retrain_schedule": "cosine"}  # fmt: skip


def found(name: str, *points: TradeoffPoint, **columns: str | None) -> Finding:
    (check,) = (check for check in CHECKS if check.name == name)
    frame = frames.frame(logged(*points)).assign(**columns)
    before = frame.copy(deep=True)
    finding = check.find(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert (finding.verdict == "fails") == bool(finding.runs)
    return finding


def curve(*, end: float = 60.0, seeds: int = 3, densities: tuple[float, ...] = DENSITIES) -> list[TradeoffPoint]:
    """A curve that falls at its last budget alone."""
    return [point(seed=seed, density=density, after=end if density == densities[-1] else 96.5)
            for seed in range(seeds) for density in densities]  # fmt: skip


def without(made: TradeoffPoint, **scores: Any) -> TradeoffPoint:
    return replace(made, result=replace(made.result, **scores))


def test_points_of_earlier_versions_are_not_identified() -> None:
    assert found("identified", with_settings(point(), dense_settings="5")) == Finding(
        "holds", "LeNet-5 on MNIST (5,000 digits), by top1"
    )
    assert found("identified", with_settings(point(), dense_settings="5"), point()).evidence.startswith("1 point of an")


def test_pairs_on_small_data_are_named_and_do_not_count() -> None:
    three = [point(data="cifar10", model=model) for model in ("resnet20", "resnet56", "vgg19_cifar")]
    assert found("pairs", *three, point()) == Finding(
        "holds", "3 pairs; small, not counted: LeNet-5 on MNIST (5,000 digits)"
    )
    failing = found("pairs", *three[:2], point())
    assert failing.verdict == "fails"
    assert failing.evidence == "only 2 pairs; small, not counted: LeNet-5 on MNIST (5,000 digits)"


def test_costs_are_compression_and_speedup() -> None:
    assert found("costs", point(density=0.1)) == Finding("holds", "compression up to 10×, speed-up up to 10×")
    bare = without(point(), flop_dense=0.0, flop_weights=0.0)
    assert found("costs", point(seed=1), bare)[:2] == ("fails", "1 point without one of them")


def test_top5_is_asked_of_classes_alone_and_of_all_points_or_none() -> None:
    few = point()
    assert few.result.test is not None
    scores = replace(few.result.test, after=replace(few.result.test.after, metrics={"top1": 96.0}))
    few = without(few, test=scores)
    assert found("top5", point()) == Finding("holds", "both of LeNet-5 on MNIST (5,000 digits)")
    assert found("top5", few).verdict == found("top5", as_text(point())).verdict == "not applicable"
    assert found("top5", few, point(seed=1))[:2] == ("fails", "1 point without top-5")


def test_the_control_has_raw_scores() -> None:
    assert found("control", point(dense=97.0), point(seed=1, dense=98.0)) == Finding(
        "holds", "raw test scores of both; unpruned: 97.50"
    )
    several = found("control", point(dense=97.0), point(dense=0.0, reg="l1"))
    assert several.evidence.endswith("unpruned: 0.00 to 97.00")
    assert found("control", point(), without(point(seed=1), test=None)).verdict == "fails"


def test_five_budgets_are_asked_of_each_curve() -> None:
    assert found("budgets", *curve()) == Finding("holds", "5 on each of 1 curve")
    beside = [point(density=density, criterion="random") for density in DENSITIES[:4]]
    failing = found("budgets", *curve(), *beside)
    assert failing.evidence == "fewer on 1 of 2 curves: random"
    assert failing.mend == "curve.densities=[0.5,0.25,0.12,0.06,0.03]"
    assert len(failing.runs) == 4


@pytest.mark.parametrize(("end", "verdict"), [(92.0, "holds"), (92.1, "fails")])
def test_curves_end_with_a_loss_of_five_points(end: float, verdict: str) -> None:
    finding = found("collapse", *curve(end=end))
    assert finding.verdict == verdict
    if verdict == "fails":
        assert finding.evidence == (
            "less than 5 is lost on 1 of 1 curve: LeNet-5 on MNIST (5,000 digits): −4.9 at density=0.03"
        )
        assert len(finding.runs) == 3


def test_collapse_of_a_perplexity_is_a_rise() -> None:
    assert found("collapse", as_text(point(after=96.5))).verdict == "holds"  # 7 becomes 7.5: 7 per cent
    assert found("collapse", as_text(point(after=96.9))).verdict == "fails"


def test_three_seeds_with_networks_of_their_own_are_asked_for() -> None:
    three = curve(densities=(0.1,))
    assert found("seeds", *three).evidence.startswith("3 a mark, each with a dense network of its own; Liu et al.")
    assert found("seeds", *three[:2])[:2] == ("fails", "2 a mark, fewer than 3 at 1 of 1 mark")
    shared = found("seeds", *(with_settings(one, dense_key="one") for one in three))
    assert shared[:2] == ("fails", "seeds prune the same dense network, so that the spread is of retraining alone")


def test_hyperparameters_and_machines_are_recorded_or_it_is_not_known() -> None:
    full, origin = with_settings(point(), **FULL), {"made_by.packages": "torch 2", "made_by.criterion": "{}"}
    assert found("recorded", full, **origin, **{"made_by.machine": "H200"}) == Finding(
        "holds", "hyper-parameters, versions; on H200"
    )
    assert found("recorded", full).verdict == "not recorded"
    assert found("recorded", full, point(seed=1)).evidence.startswith("1 point lack one of train_lr")


def test_what_is_by_construction_says_so() -> None:
    assert found("val", point()).evidence.startswith("by construction")
    made = point()
    blind = replace(made.result.val, after=replace(made.result.val.after, metrics={"top1": float("nan")}))
    assert found("val", without(made, val=blind)).verdict == "fails"
    assert found("argument", point()).verdict == "not recorded"


def test_numbers_are_of_code_that_is_known_and_of_networks_that_started_somewhere() -> None:
    ours, given = point(), with_settings(point(seed=1), started_from="resnet34.pth")
    assert found("origin", ours, given) == Finding(
        "not recorded", "some runs do not say by what code they were made; some started from resnet34.pth"
    )
    assert found("origin", ours, **{"made_by.packages": "torch 2"}) == Finding(
        "holds", "all trained here, by 1 set of versions; papers' numbers have their source"
    )
