"""What a stage's key depends on: a value too many computes again, a value too few reports wrong numbers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.contracts import brought
from tests.contracts.jobs import built

BASE = built()


def keys(*overrides: str) -> Mapping[str, str]:
    route = built(*overrides).routes[0]
    return {step.kind: step.key for step in route.steps}


def changed(*overrides: str) -> set[str]:
    before: dict[str, str] = {step.kind: step.key for step in BASE.routes[0].steps}
    return {kind for kind, key in keys(*overrides).items() if before.get(kind) != key}


@pytest.mark.parametrize(
    ("override", "kinds"),
    [
        ("retrain.epochs=3", {"retrain"}),
        ("retrain.lr_factor=0.5", {"retrain"}),
        ("retrain.scope=local", set()),  # this network has no convolution: its halves are the whole
        ("criterion=random", {"mask", "retrain"}),
        ("criterion.min_keep=2", {"mask", "retrain"}),
        ("criterion.exclude=[fc1]", {"mask", "retrain"}),
        ("criterion.layers=[conv,linear]", set()),  # it has no other kinds
        ("curve.recalibrate_batchnorm=true", {"mask", "retrain"}),
        ("train.lr=0.02", {"dense", "mask", "retrain"}),
        ("train.epochs=3", {"dense", "mask", "retrain"}),
        ("reg=l1", {"dense", "mask", "retrain"}),
        ("reg=weight_decay", {"dense", "mask", "retrain"}),
        ("reg.strength=1e-3", {"dense", "mask", "retrain"}),
        ("seed=1", {"dense", "mask", "retrain"}),
        ("data.samples=256", {"dense", "mask", "retrain"}),
        ("dropout=fixed", set()),  # this network has no dropout
        ("runtime.experiment=other", set()),
        ("runtime.checkpoint_seconds=1", set()),
        ("runtime.epoch_scores=false", set()),
        ("curve.densities=[0.5,0.01]", set()),  # the first budget is the same
    ],
)
def test_a_change_renames_what_it_changes_and_nothing_else(override: str, kinds: set[str]) -> None:
    assert changed(override) == kinds


def test_local_retraining_is_another_one_of_a_network_with_both_kinds_of_layers() -> None:
    whole, local = (keys("model=lenet5", "data.image_size=16", f"retrain.scope={name}") for name in ("whole", "local"))
    assert {kind for kind in whole if whole[kind] != local[kind]} == {"retrain"}


def test_kinds_of_layers_matter_where_the_network_has_them() -> None:
    own = brought.overrides(brought.Mixed)
    all_of_them, some, fewer = (
        keys(*own, *words)
        for words in ((), ("criterion.layers=[conv,linear,recurrent,other]",), ("criterion.layers=[conv,linear]",))
    )
    assert all_of_them == some
    assert {kind for kind in some if some[kind] != fewer[kind]} == {"mask", "retrain"}


def test_penalties_act_on_matrices_of_other_kinds_which_is_said() -> None:
    learner = built(*brought.overrides(brought.Mixed)).setting.learner
    matrices = learner.identity("initial")["matrices"]
    assert matrices == ["attention.in_proj_weight", "rows.weight_ih_l0", "rows.weight_hh_l0", "bare.0"]
    assert "matrices" not in BASE.setting.learner.identity("initial")


def test_l1_then_l2_shares_the_dense_network_of_l1() -> None:
    first, second = keys("reg=l1"), keys("reg=l1_then_l2")
    assert first["dense"] == second["dense"]
    assert first["mask"] == second["mask"]
    assert first["retrain"] != second["retrain"]


def test_the_dropout_policy_matters_where_there_is_dropout() -> None:
    fixed, scaled, none = (
        {step.kind: step.key for step in built("model=alexnet", f"dropout={name}").routes[0].steps}
        for name in ("fixed", "scaled", "none")
    )
    assert fixed["dense"] == scaled["dense"] != none["dense"]
    assert len({fixed["retrain"], scaled["retrain"], none["retrain"]}) == 3


def test_policies_share_a_dense_network_only_where_they_give_it_the_same_rates() -> None:
    own = ("runtime.allow=[tests]", "dropout._target_=tests.contracts.dropping.Thrifty")
    for rate, alike in ((0.5, True), (0.7, False)):
        network = ("model=alexnet", f"model.dropout={rate}")
        fixed, thrifty = (keys(*network, "dropout=fixed", *policy) for policy in ((), own))
        assert (fixed["dense"] == thrifty["dense"]) == alike
    assert keys("dropout=fixed", *own)["dense"] == keys()["dense"]  # this network has no dropout
