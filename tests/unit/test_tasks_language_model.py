"""Language modelling keeps the promises of a task; perplexities by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from pruneexp.data.dataset import Dataset
from pruneexp.data.synthetic import synthetic
from pruneexp.errors import UserError
from pruneexp.tasks.language_model import LanguageModel
from pruneexp.tasks.task import Task
from tests.contracts.tasks import TaskContract, dataset

TASK = LanguageModel()


class TestLanguageModel(TaskContract):
    @pytest.fixture
    def task(self) -> Task:
        return LanguageModel()

    @pytest.fixture
    def data(self) -> Dataset:
        text = torch.randint(5, (7, 10), generator=torch.Generator().manual_seed(0))
        return dataset(text[:, :-1], text[:, 1:], 5)

    @pytest.fixture
    def network(self) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5))


def scored(logits: Tensor, tokens: list[list[int]]) -> dict[str, float | None]:
    meter = TASK.meter()
    meter.update(logits, torch.tensor(tokens))
    score = meter.compute()
    return {"loss": score.loss, "perplexity": score["perplexity"], "undefined": score.undefined, "of": score.images}


def test_a_network_that_knows_nothing_chooses_among_all_tokens() -> None:
    found = scored(torch.zeros(2, 3, 97), [[1, 2, 3], [4, 5, 6]])
    assert found == {
        "loss": pytest.approx(math.log(97)), "perplexity": pytest.approx(97), "undefined": None, "of": None
    }  # fmt: skip


def test_two_windows_by_hand() -> None:
    """The right tokens have probabilities 1/2, 1/2 and 1/4, 1: a mean of (1 + 1 + 2 + 0) / 4 = 1 bit."""
    logits = torch.tensor(
        [[[0.0, 0.0, -math.inf], [0.0, -math.inf, 0.0]], [[0.0, math.log(3), -math.inf], [0, -90, -90]]]
    )
    assert scored(logits, [[0, 2], [0, 0]])["perplexity"] == pytest.approx(2.0)


def test_a_window_whose_logits_are_not_numbers_makes_the_perplexity_infinite() -> None:
    logits = torch.zeros(3, 2, 4)
    logits[1, 0, 2] = math.nan
    found = scored(logits, [[0, 1], [0, 1], [0, 1]])
    assert (found["perplexity"], found["undefined"], found["of"]) == (math.inf, 1, 3)
    assert math.isnan(found["loss"] or 0.0)


def test_a_token_that_is_held_impossible_makes_it_infinite_but_is_an_answer() -> None:
    found = scored(torch.tensor([[[0.0, -math.inf]]]), [[1]])
    assert (found["loss"], found["perplexity"], found["undefined"]) == (math.inf, math.inf, None)


def test_a_loss_whose_exponential_is_no_number_has_the_worst_perplexity() -> None:
    assert float(TASK.of_mean("perplexity", torch.tensor(800.0, dtype=torch.float64))) == math.inf


def test_a_single_window_may_lose_its_dimension() -> None:
    logits, tokens = torch.randn(1, 4, 6), torch.tensor([[1, 2, 3, 4]])
    assert torch.equal(TASK.per_example(logits, tokens).loss, TASK.per_example(logits.squeeze(0), tokens).loss)


def test_images_are_refused() -> None:
    with pytest.raises(
        UserError, match=r"has torch\.float32 inputs of shape \(1, 8, 8\); a language model needs windows"
    ):
        TASK.check(synthetic())


@pytest.mark.parametrize(("token", "found"), [(-1, "-1 to 1"), (5, "1 to 5")])
def test_tokens_beyond_the_alphabet_are_refused(token: int, found: str) -> None:
    windows = torch.tensor([[1, token]])
    with pytest.raises(UserError, match=f"train split of data set 'some' has tokens from {found}; .* allows 0 to 4"):
        TASK.check(dataset(windows, windows, 5))


def test_targets_of_another_form_are_refused() -> None:
    windows = torch.zeros(2, 3, dtype=torch.int64)
    with pytest.raises(UserError, match=r"has torch\.int64 targets of shape \(2,\)"):
        TASK.check(dataset(windows, windows[:, :2], 5))


def test_an_empty_split_is_refused() -> None:
    empty = torch.zeros(0, 3, dtype=torch.int64)
    with pytest.raises(UserError, match="train split of data set 'some' is empty; it needs at least one window"):
        TASK.check(dataset(empty, empty, 5))
