"""Predefined and discovered targets: what points say of them, and what is known of older ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hydra.utils import instantiate

from analysis.records.frames import TARGETS, frame
from pruneexp.experiment.identity import AskedBy, identity
from pruneexp.pruning.allotment import targets_of
from pruneexp.schema import PointIdentity, group_of
from tests.contracts.composing import composed
from tests.contracts.jobs import built
from tests.contracts.points import logged, point


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


@pytest.mark.parametrize(("criterion", "targets"), TARGETS.items())
def test_older_records_are_taken_for_what_their_criterion_is(criterion: str, targets: str) -> None:
    config, _ = composed(f"criterion={criterion}")
    assert targets_of(instantiate(config.criterion.allocation)) == targets


def test_a_record_that_says_its_targets_is_believed() -> None:
    lamp, own = point(criterion="lamp"), point(criterion="own", density=0.2)
    said = replace(own, identity=replace(own.identity, targets="predefined"))
    rows = frame(logged(lamp, own, said)).set_index(["criterion", "run_id"])["targets"]
    assert sorted(rows.fillna("absent")) == ["absent", "discovered", "predefined"]
