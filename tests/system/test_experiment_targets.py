"""Predefined and discovered targets: what allocations and points say of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pruneexp.experiment.identity import AskedBy, identity
from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.allocations.layer_std import LayerStd
from pruneexp.pruning.allocations.n_of_m import NOfM
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.allocations.per_output import PerOutput
from pruneexp.pruning.allocations.predefined import Predefined
from pruneexp.pruning.allotment import targets_of
from pruneexp.schema import PointIdentity, group_of
from tests.contracts.jobs import built


def of(*words: str, by: AskedBy | None = None) -> PointIdentity:
    job = built(*words, "curve.densities=[0.5]")
    return identity(job, job.budgets[0], job.routes[0], by)


def test_a_point_says_its_targets_and_its_group_does_not() -> None:
    assert of("criterion=erk").targets == "predefined"
    found = of("criterion=lamp")
    assert found.targets == "discovered"
    assert group_of(found, with_budget=True) == group_of(replace(found, targets=None), with_budget=True)


def test_an_allocation_that_says_nothing_discovers_them() -> None:
    assert targets_of(object()) == "discovered"


def test_factors_of_layers_that_a_search_sets_are_discovered() -> None:
    words = ("criterion=layer_magnitude", "+criterion.allocation.scale={fc1: 0.5}")
    assert of(*words).targets == "predefined"
    assert of(*words, by=AskedBy("levels", 3)).targets == "discovered"
    assert of("criterion=layer_magnitude", by=AskedBy("knee", 3)).targets == "predefined"


@pytest.mark.parametrize(
    ("allocation", "targets"),
    [
        (PerLayer(), "predefined"),
        (PerOutput(), "predefined"),
        (NOfM(2, 4), "predefined"),
        (Predefined(), "predefined"),
        (GlobalThreshold(), "discovered"),
        (LayerStd(), "discovered"),
    ],
)
def test_an_allocation_says_whether_it_knows_them_before_training(allocation: object, targets: str) -> None:
    assert targets_of(allocation) == targets
