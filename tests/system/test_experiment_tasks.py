"""Tasks, networks and data that do not fit each other: said in one sentence before anything runs."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.experiment.identity import identity
from pruneexp.stages.scan import Grid, scan
from tests.contracts.composing import composed
from tests.contracts.jobs import job_of

LANGUAGE = "pruneexp.tasks.language_model.LanguageModel"
SMALL_LSTM = ("data=topics", "model=lstm", "model.embedding=4", "model.hidden=8", "device=cpu")
ALLOWED = "runtime.allow=[tests]"


class LastPlaceAlone(nn.Module):
    """The logits of the last place, as a classifier of texts has them."""

    def __init__(self, tokens: int = 97) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(tokens, 4), nn.Linear(4, tokens)

    def forward(self, tokens: Tensor) -> Any:
        return self.head(self.embedding(tokens)[:, -1])


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("data=topics", "model=lenet_300_100"), r"takes images of shape \(1, 28, 28\), and the data have .* \(128,\)"),
        (("data=synthetic", "model=lstm"), r"images of shape \(1, 12, 12\): LanguageLSTM takes windows of tokens"),
        (("data=synthetic", "model=transformer"), "LanguageTransformer takes windows of tokens"),
        ((*SMALL_LSTM, "data.info.task=null"), r"set 'topics' has .* labels of shape \(\d+, 128\), where a classifier"),
        (("data=synthetic", "+data.info.task={_target_: " + LANGUAGE + "}"), "language model needs windows of tokens"),
        ((*SMALL_LSTM, "data.info.classes=96"), "data.info.classes=96, but topics has 97: set data.info.classes=97"),
        ((*SMALL_LSTM, "~data.info.classes", "model.tokens=97"), "data.info.classes is missing, but topics has 97"),
        ((*SMALL_LSTM, "data.window=40000"), "text of data set 'topics' is too short: val has"),
        ((*SMALL_LSTM, "data.info.task._target_=torch.nn.Identity"), "a Identity, which is no task"),
        ((*SMALL_LSTM, "data.info.task={_target_: os.system}"), "data.info.task._target_=os.system is not allowed"),
        ((*SMALL_LSTM, "model.tokens=50"), r"the model does not take windows of shape \(128,\): index out of range"),
        ((*SMALL_LSTM, "model.tokens=100"), r"\(2, 128, 100\) for 2 windows, where one tensor of shape \(2, 128, 97\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_in_one_sentence(overrides: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        job_of(*composed(*overrides))
    assert "\n" not in str(caught.value)


def test_outputs_of_another_form_are_refused_in_the_words_of_the_task() -> None:
    network = ("model._target_=tests.system.test_experiment_tasks.LastPlaceAlone", ALLOWED)
    without = ("~model.embedding", "~model.hidden", "~model.layers", "~model.dropout")
    with pytest.raises(
        UserError, match=r"shape \(2, 97\) for 2 windows, .* needed: the logits of the next token at each"
    ):
        job_of(*composed("data=topics", "model=lstm", "device=cpu", *network, *without))


def test_a_language_model_is_told_from_a_classifier_by_task_and_metric() -> None:
    job = job_of(*composed(*SMALL_LSTM))
    found = identity(job, job.budgets[0], job.routes[0])
    assert (found.task, found.primary.name, found.primary.direction) == ("language_model", "perplexity", "minimize")
    assert job.routes[0].dense.config["task"] == {"_target_": LANGUAGE}


def test_classification_stands_in_no_key_whether_it_is_said_or_not() -> None:
    said = "+data.info.task={_target_: pruneexp.tasks.classification.Classification}"
    one, other = (job_of(*composed("data=synthetic", "device=cpu", *words)) for words in ((), (said,)))
    assert [step.key for step in one.routes[0].steps] == [step.key for step in other.routes[0].steps]
    assert "task" not in one.routes[0].dense.config
    found = identity(one, one.budgets[0], one.routes[0])
    assert (found.task, found.metric) == (None, None)


def test_lazy_layers_take_their_sizes_from_windows_of_tokens() -> None:
    own = ("model._target_=tests.system.test_experiment_tasks.LazyHead", ALLOWED)
    without = ("~model.embedding", "~model.hidden", "~model.layers", "~model.dropout")
    job = job_of(*composed("data=topics", "model=lstm", "device=cpu", *own, *without))
    assert job.setting.learner.costs.layer_flop == {"embedding": 0, "head": 128 * 2 * 4 * 97}


class LazyHead(nn.Module):
    def __init__(self, tokens: int = 97) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(tokens, 4), nn.LazyLinear(tokens)

    def forward(self, tokens: Tensor) -> Any:
        return self.head(self.embedding(tokens))


@pytest.mark.parametrize("policy", ["scaled", "none"])
def test_dropout_follows_a_policy_in_language_models(policy: str) -> None:
    for model, rates in (("lstm", {"drop": 0.3}), ("transformer", {"drop": 0.3, "blocks.0.drop": 0.3})):
        job = job_of(
            *composed(
                "data=topics",
                f"model={model}",
                "model.layers=1",
                "model.dropout=0.3",
                f"dropout={policy}",
                "device=cpu",
            )
        )
        dropout = job.setting.dense.dropout
        assert dropout.dense_rates == {name: 0.0 if policy == "none" else rate for name, rate in rates.items()}


def test_a_scan_needs_metrics_of_single_examples() -> None:
    class WholeSet:
        name = "whole"

    job = job_of(*composed("data=synthetic", "device=cpu"))
    learner = job.setting.learner
    object.__setattr__(learner.task, "value", WholeSet())
    with pytest.raises(UserError, match="the task 'whole' has others: it has no per_example"):
        scan(job.setting, job.routes[0].dense, Grid(()), memory=1)


def test_the_noise_that_images_networks_are_tried_with_is_as_it_always_was() -> None:
    learner = job_of(*composed("data=synthetic", "device=cpu")).setting.learner
    inputs, targets = learner.example(2, "example")
    expected = torch.randn(2, 1, 12, 12, generator=torch.Generator().manual_seed(_seed()))
    assert torch.equal(inputs, expected)
    assert targets.tolist() == [0, 0]


def _seed() -> int:
    """The first 63 bits of the SHA-256 of ``int:1:0str:7:example``."""
    return int.from_bytes(hashlib.sha256(b"int:1:0str:7:example").digest()[:8], "big") >> 1
