"""Cuts by reconstruction as stages: layer after layer, with weights that retraining starts from and others ignore."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from pruneexp.cache.store import Artefact, Store
from pruneexp.experiment.build import Job
from pruneexp.pruning.masks import MaskSet
from pruneexp.schema import Budget
from pruneexp.stages.graph import Runner
from pruneexp.stages.mask import probe, prune
from pruneexp.stages.statistics import drawn
from pruneexp.stages.work import changed_by, load, masks_of, scores
from tests.contracts.jobs import built

HALF = ("curve.units=[0.5]", "train.epochs=1")
KINDS = ("thinet", "lasso")


def cut(job: Job, folder: Path) -> tuple[dict[str, Tensor], Artefact, Artefact]:
    """The dense weights, the cut, and what retraining made of it."""
    runner, (route,) = Runner(Store(folder)), job.routes
    dense, mask, last = (runner.artefact(step) for step in route.steps)
    return dict(dense.tensors), mask, last


def rows(masks: MaskSet, name: str) -> Tensor:
    return masks[name].any(1)


def test_each_layer_is_fitted_behind_those_that_were_cut_before(tmp_path: Path) -> None:
    job = built("criterion=lasso", *HALF)
    dense, mask, _ = cut(job, tmp_path)
    masks, changed = masks_of(mask), changed_by(mask)
    images = torch.cat([inputs for inputs, _ in drawn(job.setting, 4)]).flatten(1).double()
    w = {name: dense[f"{name}.weight"].double() for name in ("fc1", "fc2", "fc3")}
    first = (images @ w["fc1"].T + dense["fc1.bias"]).relu()
    kept, of_kept = rows(masks, "fc1"), rows(masks, "fc2")
    assert changed.keys() == {"fc2.weight", "fc3.weight"}
    expected = fitted(first[:, kept], w["fc2"][:, kept], first @ w["fc2"].T)
    torch.testing.assert_close(changed["fc2.weight"][of_kept][:, kept], expected[of_kept].float(), rtol=1e-3, atol=1e-4)
    present = (first[:, kept] @ expected.T + dense["fc2.bias"]).relu()[:, of_kept]
    second = (first @ w["fc2"].T + dense["fc2.bias"]).relu()
    expected = fitted(present, w["fc3"][:, of_kept], second @ w["fc3"].T)
    torch.testing.assert_close(changed["fc3.weight"][:, of_kept], expected.float(), rtol=1e-3, atol=1e-4)


def fitted(inputs: Tensor, weight: Tensor, outputs: Tensor) -> Tensor:
    """The weight near to this one that makes the outputs of the inputs, by torch's least squares."""
    price = (0.01 * float(inputs.square().sum()) / len(inputs)) ** 0.5 * torch.eye(inputs.shape[1]).double()
    stacked, wanted = torch.cat([inputs, price]), torch.cat([outputs, price @ weight.T])
    found: Tensor = torch.linalg.lstsq(stacked, wanted).solution.T
    return found


@pytest.mark.parametrize("criterion", KINDS)
def test_scores_are_of_the_changed_weights_and_retraining_starts_from_them(criterion: str, tmp_path: Path) -> None:
    job = built(f"criterion={criterion}", *HALF, "retrain.epochs=0")
    dense, mask, last = cut(job, tmp_path)
    masks, changed = masks_of(mask), changed_by(mask)
    assert masks.keys() == {"fc1", "fc2", "fc3"}
    network = load(job.setting.learner.network("fresh"), {**dense, **changed}, "the cut network")
    masks.apply_(network)
    assert scores(job.setting.learner, network)["val"] == mask.record["val"] == last.record["val"]
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, last.tensors[name]), name
    assert mask.record["effort"]["flop"] > 0


@pytest.mark.parametrize("criterion", KINDS)
def test_as_many_channels_stay_as_magnitude_keeps(criterion: str, tmp_path: Path) -> None:
    budget = ("curve.densities=[0.3]", "train.epochs=1", "retrain.epochs=0")
    _, plain, _ = cut(built("criterion=channel_magnitude", *budget), tmp_path)
    _, mask, _ = cut(built(f"criterion={criterion}", *budget), tmp_path)
    assert masks_of(mask).kept_per_layer == masks_of(plain).kept_per_layer
    assert masks_of(mask) != masks_of(plain)


def test_a_probe_says_what_the_cut_says(tmp_path: Path) -> None:
    job, runner, budget = built("criterion=thinet", *HALF), Runner(Store(tmp_path)), Budget("units", 0.5)
    dense = job.routes[0].dense
    one, other = (
        runner.record(probe(job.setting, dense, budget)),
        runner.record(prune(job.setting, dense, budget, None)),
    )
    assert one["counts"] == other["counts"]
    assert one["val"] == other["val"]


@pytest.mark.parametrize("criterion", KINDS)
def test_rounds_cut_what_the_round_before_left(criterion: str, tmp_path: Path) -> None:
    words = ("schedule=iterative", "schedule.rounds=2", "curve.units=[0.25]", "train.epochs=1")
    (route,) = built(f"criterion={criterion}", *words).routes
    runner = Runner(Store(tmp_path))
    first, last = (masks_of(runner.artefact(step)) for step in route.steps if step.kind == "mask")
    assert all(not bool((last[name] & ~first[name]).any()) for name in last)
    assert last.kept < first.kept
    kept = masks_of(runner.artefact(route.mask))
    found = runner.artefact(route.final).tensors
    assert all(not bool(found[f"{name}.weight"][~mask].any()) for name, mask in kept.items())


@pytest.mark.parametrize("mode", ["scratch_e", "rewind"])
def test_other_weights_take_the_masks_alone(mode: str, tmp_path: Path) -> None:
    runner = Runner(Store(tmp_path))
    (route,) = built("criterion=lasso", *HALF, f"mode={mode}").routes
    masks, tensors = masks_of(runner.artefact(route.mask)), runner.artefact(route.final).tensors
    assert all(not bool(tensors[f"{name}.weight"][~mask].any()) for name, mask in masks.items())


def test_the_key_covers_the_calibration() -> None:
    keys = {
        built("criterion=thinet", *HALF, *words).routes[0].mask.key
        for words in ((), ("criterion.score.batches=2",), ("criterion.score.positions=4",), ("seed=1",))
    }
    assert len(keys) == 4


def test_layers_that_read_many_sets_compute_nearly_what_they_did(tmp_path: Path) -> None:
    words = ("model=densenet40", "model.depth=10", "model.growth=4", "model.image_size=8", *HALF, "retrain.epochs=0")
    apart = {}
    for criterion in ("channel_magnitude", *KINDS):
        job = built(*words, f"criterion={criterion}")
        dense, mask, last = cut(job, tmp_path)
        images = torch.cat([inputs for inputs, _ in drawn(job.setting, 4)])
        whole, small = (job.setting.learner.network("fresh") for _ in range(2))
        load(whole, dense, "dense").eval()
        load(small, last.tensors, "cut").eval()
        with torch.no_grad():
            apart[criterion] = float((whole(images) - small(images)).square().mean())
        assert masks_of(mask).kept < masks_of(mask).total
    assert apart["lasso"] < apart["thinet"] < apart["channel_magnitude"]
