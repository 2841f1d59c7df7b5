"""Checks of what makes networks comparable, each on points by hand that it holds of and on points that it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from analysis.records import frames
from analysis.statistics.checklist import Finding
from analysis.statistics.checks_of_comparisons import CHECKS
from pruneexp.schema import Effort, Ledger, TradeoffPoint
from tests.contracts.points import logged, point, with_settings


def found(name: str, *points: TradeoffPoint, by: Any = None, **columns: Any) -> Finding:
    """What a check finds; ``by`` has the column of origins by the criterion of a point."""
    (check,) = (check for check in CHECKS if check.name == name)
    frame = frames.frame(logged(*points)).assign(**columns)
    if by is not None:
        frame["made_by.criterion"] = [json.dumps(by[name]) for name in frame["criterion"]]
    before = frame.copy(deep=True)
    finding = check.find(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert (finding.verdict == "fails") == bool(finding.runs)
    return finding


def parts(score: str, allocation: str, **more: Any) -> dict[str, Any]:
    targets = {"score": f"criteria.{score}", "allocation": f"allocations.{allocation}"}
    return {name: {"_target_": f"pruneexp.pruning.{target}"} for name, target in targets.items()} | more


MAGNITUDE, RANDOM, TAYLOR = "magnitude.Magnitude", "random.Random", "taylor.Taylor"
GLOBAL, PER_LAYER, LAMP = "global_threshold.GlobalThreshold", "per_layer.PerLayer", "lamp.Lamp"
PROPORTIONS = parts(MAGNITUDE, GLOBAL)["score"]


def test_methods_stand_beside_each_other() -> None:
    assert found("methods", point(), point(criterion="random")).verdict == "holds"
    assert found("methods", point(), point(criterion="random", density=0.2)).verdict == "fails"


@pytest.mark.parametrize(
    ("original", "control", "mend"),
    [
        (parts(MAGNITUDE, GLOBAL), parts(RANDOM, GLOBAL, proportions=PROPORTIONS), "criterion=random_global"),
        (parts(MAGNITUDE, PER_LAYER, exclude=[]), parts(RANDOM, PER_LAYER), "criterion=random"),
        (parts(TAYLOR, LAMP), parts(RANDOM, LAMP), "docs/criteria.md, Controls"),
        (parts(TAYLOR, GLOBAL), parts(RANDOM, GLOBAL, proportions=parts(TAYLOR, GLOBAL)["score"]), "docs/criteria.md"),
    ],
)
def test_a_random_control_has_the_proportions_of_its_original(
    original: dict[str, Any], control: dict[str, Any], mend: str
) -> None:
    points, by = (point(criterion="one"), point(criterion="by_lot")), {"one": original, "by_lot": control}
    assert found("random", *points, by=by) == Finding("holds", "a random control for each of 1 way to prune")
    other = parts(RANDOM, GLOBAL, proportions={"_target_": "another.Score"})
    failing = found("random", *points, by={"one": original, "by_lot": other})
    assert failing[:2] == ("fails", "no random control in the proportions of one (one-shot)")
    assert failing.mend.startswith(mend)


def test_a_control_is_of_all_budgets_and_of_the_schedule() -> None:
    by = {"one": parts(MAGNITUDE, PER_LAYER), "by_lot": parts(RANDOM, PER_LAYER)}
    one = [point(criterion="one", density=density) for density in (0.5, 0.1)]
    assert found("random", *one, point(criterion="by_lot"), by=by).verdict == "fails"
    assert found("random", one[1], point(criterion="by_lot", schedule="iterative"), by=by).verdict == "fails"
    assert found("random", one[1], point(criterion="by_lot"), by=by).verdict == "holds"


def test_a_magnitude_control_is_asked_of_other_scores_alone() -> None:
    by = {"one": parts(TAYLOR, LAMP), "by_size": parts(MAGNITUDE, LAMP), "by_lot": parts(RANDOM, LAMP)}
    assert found("magnitude", point(criterion="one"), point(criterion="by_size"), by=by).verdict == "holds"
    assert found("magnitude", point(criterion="one"), point(criterion="by_lot"), by=by).verdict == "fails"
    assert found("magnitude", point(criterion="by_size"), point(criterion="by_lot"), by=by).verdict == "not applicable"
    assert found("magnitude", point()).verdict == found("random", point()).verdict == "not recorded"


def test_scratch_is_asked_at_every_budget() -> None:
    both = [point(mode=mode, density=density) for mode in ("prune", "scratch_e") for density in (0.5, 0.1)]
    assert found("scratch", *both) == Finding("holds", "Scratch-E, by the recipe of the dense network")
    missing = ("fails", "1 budget of layer_magnitude without it", "mode=scratch_e,scratch_b")
    assert found("scratch", *both[:3])[:3] == missing
    other = [point(criterion="row_magnitude", density=density) for density in (0.5, 0.1)]
    assert found("scratch", *both, *other).evidence == "2 budgets of row_magnitude without it"


def test_dense_networks_of_a_seed_are_the_same_but_for_their_penalty() -> None:
    assert found("dense", point(), point(criterion="random"), point(reg="l1")).verdict == "holds"
    longer = with_settings(point(criterion="random"), dense_key="other", train_epochs=20)
    failing = found("dense", with_settings(point(), train_epochs=10), longer)
    assert failing[:2] == (
        "fails", "dense networks of one seed differ: 10 epochs of training, 20 epochs of training",
    )  # fmt: skip
    assert failing.mend == "--where train_epochs=..."


def test_recipes_are_compared_within_a_mode() -> None:
    rewound = with_settings(point(mode="rewind"), retrain_epochs=9)
    short, long = (with_settings(point(criterion=name), retrain_epochs=count) for name, count in (("a", 2), ("b", 5)))
    assert found("recipe", short, rewound).verdict == "holds"
    failing = found("recipe", short, long)
    assert failing[:2] == ("fails", "fine-tuning: 2 epochs of retraining, 5 epochs of retraining")


def test_recipes_differ_in_what_no_column_has_and_in_their_epochs() -> None:
    pair = point(criterion="a"), point(criterion="b")
    recipes = [json.dumps({"epochs": 1, "distillation": weight}) for weight in (0, 1)]
    assert found("recipe", *pair, **{"made_by.retrain": recipes}).evidence == (
        "fine-tuning: retrain.distillation differs"
    )
    more = [with_epochs(one, count) for one, count in zip(pair, (4.0, 12.0), strict=True)]
    assert found("recipe", *more).evidence == (
        "fine-tuning: 4 to 12 epochs after the dense network at density=0.1"
    )  # fmt: skip
    by_compute = [with_settings(one, mode="scratch_b") for one in more]
    assert found("recipe", *by_compute).verdict == "holds"


def with_epochs(made: TradeoffPoint, epochs: float) -> TradeoffPoint:
    return replace(made, result=replace(made.result, ledger=Ledger(retrain=Effort(epochs=epochs))))


def test_code_is_one_version_without_changes() -> None:
    pair = point(), point(seed=1)
    assert found("code", *pair, **{"made_by.code": "abc"}) == Finding("holds", "commit abc")
    assert found("code", *pair, **{"made_by.code": ["abc", "def"]}).evidence == "2 versions: abc, def"
    changed = found("code", *pair, **{"made_by.code": "abc, changed"})
    assert changed[:2] == ("fails", "abc, changed: not what is committed")
    assert found("code", *pair).verdict == "not recorded"
    assert found("code", *pair, **{"made_by.code": ["abc", None]}).verdict == "fails"


def test_libraries_are_named_where_they_differ() -> None:
    pair, text = (point(), point(seed=1)), "python 3.11, torch {}, numpy 2"
    assert found("libraries", *pair, **{"made_by.packages": text.format(1)}).evidence == "python 3.11, torch 1, numpy 2"
    differing = found("libraries", *pair, **{"made_by.packages": [text.format(1), text.format(2)]})
    assert differing[:2] == ("fails", "torch 1, torch 2")


def test_data_have_one_fingerprint() -> None:
    assert found("data", point(), point(seed=1)) == Finding("holds", "one fingerprint: MNIST (5,000 digits)")
    other = with_settings(point(seed=1), data_fingerprint="other")
    assert found("data", point(), other)[:2] == ("fails", "MNIST (5,000 digits): several sets under one name")
