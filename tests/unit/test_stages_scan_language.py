"""The sensitivity scan of a language model: its rows are perplexities, with and without retraining."""

from __future__ import annotations

import math

import pytest
import torch

from pruneexp.cache.store import Store
from pruneexp.pruning.masks import MaskSet
from pruneexp.schema import Budget, LayerSensitivity, Metric, unflatten
from pruneexp.sensitivity.outcomes import Outcomes, packed, unpacked
from pruneexp.stages import scan as stage
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Runner
from pruneexp.stages.mask import probe, prune
from pruneexp.stages.retrain import retrain
from pruneexp.stages.scan import Grid, scan
from pruneexp.stages.setting import Setting
from pruneexp.tasks.language_model import LanguageModel
from pruneexp.tasks.task import Answers
from tests.contracts.composing import composed
from tests.contracts.jobs import job_of

#: A network of one layer to prune, so that a cut of it is a cut of the network.
SMALL = (
    "data=text", "data.window=8", "model=lstm", "model.embedding=4", "model.hidden=8", "train.epochs=1",
    "train.optimizer=adamw", "retrain.epochs=1", "criterion.layers=[linear]", "device=cpu",
)  # fmt: skip
BUDGET = Budget("density", 0.1)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    path = tmp_path_factory.mktemp("text") / "own.txt"
    path.write_text("the quick brown fox jumps over the lazy dog\n" * 40)
    return job_of(*composed(*SMALL, f"data.root={path}")).setting


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(Store(tmp_path_factory.mktemp("store")))


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_row_is_what_a_cut_gives(setting: Setting, runner: Runner, epochs: int) -> None:
    dense = train_dense(setting)
    record = runner.record(scan(setting, dense, Grid((BUDGET,), epochs=epochs, resamples=50), memory=2**30))
    [row] = [unflatten(LayerSensitivity, each) for each in record["rows"]]
    cut = retrain(setting, prune(setting, dense, BUDGET, None)) if epochs else probe(setting, dense, BUDGET)
    expected, before = runner.record(cut)["val"], runner.record(dense)["val"]
    assert row.group == "head"
    assert row.val.metrics == pytest.approx({"perplexity": expected["perplexity"]}, rel=1e-5)
    assert row.val.loss == pytest.approx(expected["loss"], rel=1e-5)
    assert record["dense"]["perplexity"] == pytest.approx(before["perplexity"], rel=1e-5)
    assert record["images"] == len(setting.learner.data.value.val)
    change = Metric("perplexity", direction="minimize").change(before["perplexity"], expected["perplexity"])
    assert row.bounds["perplexity_low"] <= change <= row.bounds["perplexity_high"]
    assert row.bounds["perplexity_low"] < row.bounds["perplexity_high"]


def test_answers_survive_an_interruption() -> None:
    found = Answers(
        torch.tensor([0.5, math.nan]), {"perplexity": torch.tensor([0.5, 2.0])}, torch.tensor([False, True])
    )
    part = {**packed(found), "epochs": 2, "flop": 1.0, "seconds": 3.0}
    again = unpacked(part)
    assert torch.equal(again.loss.nan_to_num(9.0), found.loss.nan_to_num(9.0))
    assert torch.equal(again.values["perplexity"], found.values["perplexity"])
    assert torch.equal(again.undefined, found.undefined)
    classified = Answers(torch.zeros(2), {"top1": torch.tensor([True, False])}, torch.tensor([False, False]))
    assert packed(classified) == {"loss": [0.0, 0.0], "undefined": "00", "top1": "10"}
    before = {"loss": [0.0, 0.0], "top1": "10", "top5": None, "undefined": "00"}  # as earlier versions wrote it
    assert unpacked(before).values.keys() == {"top1"}


def test_changes_that_are_not_numbers_have_no_bounds(setting: Setting) -> None:
    broken, fine = torch.tensor([[[math.nan, 1.0], [1.0, 2.0]]]), torch.tensor([1.0, 1.5])
    none = torch.zeros(2, dtype=torch.bool)
    dense = Answers(fine, {"perplexity": fine}, none)
    outcomes = Outcomes(broken, {"perplexity": broken}, broken.isnan(), dense, torch.ones(1, 2), torch.ones(1), ())
    low, high = stage._bounds(setting, Grid((BUDGET,), resamples=20), outcomes)["perplexity"]
    assert not low[0, 0].isfinite()
    assert low[0, 1].isfinite()
    assert bool(high[0, 1] >= low[0, 1])
    assert LanguageModel().of_mean("perplexity", broken.double().mean(2))[0, 0] == math.inf


def test_masks_of_a_language_model_are_kept_while_it_is_retrained(setting: Setting, runner: Runner) -> None:
    cut = prune(setting, train_dense(setting), BUDGET, None)
    masks = MaskSet.from_tensors(runner.artefact(cut).tensors)
    weights = runner.artefact(retrain(setting, cut)).tensors["head.weight"]
    assert bool((weights[~masks["head"]] == 0).all())
    assert int(weights.count_nonzero()) == int(masks["head"].count_nonzero())
