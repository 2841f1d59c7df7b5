"""Statistics as a stage: what its key covers, which network it measures, and who is told of what it finds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pruneexp.cache.store import Store
from pruneexp.errors import UserError
from pruneexp.experiment.identity import identity
from pruneexp.experiment.pace import Paces
from pruneexp.experiment.plan import make_plan
from pruneexp.experiment.points import assemble
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import best
from pruneexp.schema import Budget
from pruneexp.stages.graph import Runner, Stage
from pruneexp.stages.mask import probe, prune
from pruneexp.stages.scan import Grid, scan
from pruneexp.stages.statistics import statistics
from tests.contracts.jobs import built

TAYLOR = ("criterion=taylor", "criterion.score.batches=2", "train.epochs=1", "curve.densities=[0.3]")
SNIP = "+criterion.proportions={_target_: pruneexp.pruning.criteria.snip.Snip, batches: 2}"


def steps(*words: str) -> dict[str, Stage]:
    return {step.kind: step for step in built(*TAYLOR, *words).routes[0].steps}


def test_a_criterion_that_asks_for_nothing_has_no_such_stage() -> None:
    job = built("curve.densities=[0.3]")
    assert statistics(job.setting, job.routes[0].dense) == ()
    assert [step.kind for step in job.routes[0].steps] == ["dense", "mask", "retrain"]


@pytest.mark.parametrize(
    "changed",
    ["criterion.score.batches=1", "seed=1", "train.batch_size=32", "train.lr=0.3", "criterion.exclude=[fc3]", SNIP,
     "data.samples=600"],
)  # fmt: skip
def test_its_key_covers_what_is_measured_on_what(changed: str) -> None:
    before, after = steps(), steps(changed)
    assert before["statistics"].key != after["statistics"].key
    assert before["mask"].key != after["mask"].key


def test_budgets_and_retraining_share_it() -> None:
    before, after = steps(), steps("curve.densities=[0.1]", "retrain.epochs=2", "criterion.min_keep=2")
    assert before["statistics"].key == after["statistics"].key
    assert before["mask"].key != after["mask"].key


def test_masks_are_cut_by_the_gradients_of_the_network_that_is_cut(tmp_path: Path) -> None:
    job, runner = built(*TAYLOR), Runner(Store(tmp_path))
    dense, measured, mask, _ = job.routes[0].steps
    squares, weights = runner.artefact(measured).tensors, runner.artefact(dense).tensors
    assert squares.keys() == {f"squared_gradients/{name}" for name in ("fc1", "fc2", "fc3")}
    scores = torch.cat(
        [(weights[f"{n}.weight"].square() * squares[f"squared_gradients/{n}"]).flatten() for n in ("fc1", "fc2", "fc3")]
    )
    chosen = MaskSet.from_tensors(runner.artefact(mask).tensors)
    expected = best(scores, torch.ones_like(scores, dtype=torch.bool), chosen.kept)
    assert torch.equal(torch.cat([chosen[name].flatten() for name in ("fc1", "fc2", "fc3")]), expected)


def test_it_is_planned_and_booked_under_pruning(tmp_path: Path) -> None:
    job, store = built(*TAYLOR), Store(tmp_path)
    lines = dict(make_plan(job, store, (), Paces(lambda _: 0.0)).lines())
    assert list(lines)[1:5] == ["dense", "statistics", "mask", "retrain"]
    assert lines["statistics"] == "1 to measure, 0 in the store"
    (budget,), (route,) = job.budgets, job.routes
    point = assemble(identity(job, budget, route), route, Runner(store), job.setting.learner)
    spent = point.result.ledger.prune
    assert spent.stages == 2
    assert spent.flop == 3 * job.setting.learner.costs.flop_total * 2 * 64
    assert point.result.val.before is not None


def test_each_round_measures_what_it_cuts() -> None:
    job = built(*TAYLOR, "schedule=iterative", "schedule.rounds=2")
    kinds = [step.kind for step in job.routes[0].steps]
    assert kinds == ["dense", "statistics", "mask", "retrain", "statistics", "mask", "retrain"]
    _, first, mask, again, second, last, _ = job.routes[0].steps
    assert second.parents == (again,) or second.parents[0].key == again.key
    assert first.key != second.key
    assert [parent.key for parent in last.parents] == [again.key, mask.key, second.key]


def test_probes_and_scans_are_told_too(tmp_path: Path) -> None:
    job, runner = built(*TAYLOR), Runner(Store(tmp_path))
    dense, budget = job.routes[0].dense, Budget("density", 0.3)
    one, other = (kind.record["counts"] for kind in (
        runner.artefact(probe(job.setting, dense, budget)),
        runner.artefact(prune(job.setting, dense, budget, None)),
    ))  # fmt: skip
    assert one == other
    rows = runner.artefact(scan(job.setting, dense, Grid((budget,), resamples=20), memory=2**20)).record["rows"]
    assert [row["group"] for row in rows] == ["fc1", "fc2", "fc3"]


def test_a_mode_that_lists_no_statistics_can_be_signed() -> None:
    (route,) = built(*TAYLOR).routes
    bare = type(route)(tuple(step for step in route.steps if step.kind != "statistics"))
    assert bare.signed({"own.Mode": "1"}).mask.key != route.mask.key


def test_too_few_examples_are_told_before_training() -> None:
    with pytest.raises(UserError, match=r"batches=9, of train.batch_size=64 images each, are 576, and train has"):
        built(*TAYLOR, "criterion.score.batches=9")


def test_channels_go_by_the_gradients_of_the_rows_that_make_them(tmp_path: Path) -> None:
    words = ("criterion=channel_taylor", "criterion.score.batches=2", "train.epochs=1", "curve.units=[0.3]")
    job, runner = built(*words), Runner(Store(tmp_path))
    dense, measured, mask, _ = job.routes[0].steps
    squares, weights = runner.artefact(measured).tensors, runner.artefact(dense).tensors
    scores = torch.cat([
        (weights[f"{name}.weight"].square() * squares[f"squared_gradients/{name}"]).double().mean(1)
        for name in ("fc1", "fc2")
    ])  # fmt: skip
    chosen = MaskSet.from_tensors(runner.artefact(mask).tensors)
    left = torch.cat([chosen[name].any(1) for name in ("fc1", "fc2")])
    assert torch.equal(left, best(scores, torch.ones_like(scores, dtype=torch.bool), 120))  # of 400 neurons
    assert torch.equal(chosen["fc3"].any(0), chosen["fc2"].any(1))


def masks(folder: Path, *criteria: str) -> list[MaskSet]:
    """What each criterion keeps of 30 % of the same dense network."""
    runner = Runner(Store(folder))
    routes = [built(*each.split(" ", 1), "train.epochs=1", "curve.densities=[0.3]").routes[0] for each in criteria]
    return [MaskSet.from_tensors(runner.artefact(route.mask).tensors) for route in routes]


TARGET = "pruneexp.pruning.criteria.taylor.Taylor"


@pytest.mark.parametrize(
    ("original", "control"),
    [
        ("criterion=global_magnitude", "criterion=random_global"),
        ("criterion=taylor", f"criterion=random_global criterion.proportions._target_={TARGET}"),
        ("criterion=taylor", f"criterion=global_magnitude +criterion.proportions={{_target_: {TARGET}}}"),
    ],
)
def test_a_control_keeps_as_many_as_what_it_is_a_control_of(original: str, control: str, tmp_path: Path) -> None:
    first, second, plain = masks(tmp_path, original, control, "criterion=random")
    assert second.kept_per_layer == first.kept_per_layer != plain.kept_per_layer
    assert second != first


def test_a_lottery_of_the_whole_network_leaves_each_layer_its_share_but_for_chance(tmp_path: Path) -> None:
    whole, plain = masks(tmp_path, "criterion=random_whole_network", "criterion=random")
    assert whole.kept == plain.kept
    assert whole.kept_per_layer != plain.kept_per_layer
    for name, mask in whole.items():
        deviation = (mask.numel() * 0.3 * 0.7) ** 0.5
        assert abs(whole.kept_per_layer[name] - 0.3 * mask.numel()) < 4 * deviation, name
