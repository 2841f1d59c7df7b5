"""Captioning keeps the promises of a task; BLEU and perplexity by hand."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from pruneexp.data.dataset import Dataset
from pruneexp.data.synthetic import synthetic
from pruneexp.errors import UserError
from pruneexp.models.neuraltalk import NeuralTalk
from pruneexp.schema import Score
from pruneexp.tasks.captioning import Captioning
from pruneexp.tasks.task import Task, TaskByTargets, answers
from tests.contracts.tasks import TaskContract, dataset

TASK = Captioning(words=4)


def targets(*images: Sequence[Sequence[int]], taught_below: int = 5) -> Tensor:
    """The sentences of images, both those that are taught and those that captions are compared with."""
    most, longest = max(map(len, images)), 1 + max(len(each) for image in images for each in image)
    found = torch.full((len(images), 2, most, longest), -1)
    for image, sentences in enumerate(images):
        for place, words in enumerate(sentences):
            taught = [word for word in words if word < taught_below]
            found[image, 0, place, : len(taught) + 1] = torch.tensor([*taught, 0])
            found[image, 1, place, : len(words)] = torch.tensor(words)
    return found


class TestCaptioning(TaskContract):
    @pytest.fixture
    def task(self) -> Task:
        return TASK

    @pytest.fixture
    def data(self) -> Dataset:
        features = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
        sentences = [[[1, 2, 3, 4, 1]], [[2], [7, 1]], [[1, 2]], [[3, 3, 3]], [[4, 1, 2], [9]], [[1]], [[2, 2, 4]]]
        return dataset(features, targets(*sentences), 5)

    @pytest.fixture
    def network(self) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return NeuralTalk(tokens=5, features=3, embedding=4, hidden=6, words=4, dropout=0.0)

    def test_the_loss_runs_the_network_and_can_be_differentiated(
        self, task: Task, network: nn.Module, batch: tuple[Tensor, Tensor]
    ) -> None:
        """Where it learns, there are no captions."""
        loss, outputs = task.loss(network, *batch)
        loss.backward()
        assert torch.equal(outputs, torch.full((7, 2, 4), -1.0))
        assert all(parameter.grad is not None for parameter in network.parameters())

    def test_answers_do_not_depend_on_how_many_images_run_at_once(
        self, task: Task, network: nn.Module, batch: tuple[Tensor, Tensor]
    ) -> None:
        assert isinstance(task, TaskByTargets)
        many = [each.repeat(9, *[1] * (each.ndim - 1)) for each in batch]  # 63 images, more than run at once
        torch.testing.assert_close(answers(task, network, *many)[-7:], answers(task, network, *batch))


def scored(captions: list[list[int]], *images: Sequence[Sequence[int]], losses: Sequence[float] = ()) -> Score:
    meter = TASK.meter()
    summed = torch.tensor(losses or [0.0] * len(images))
    meter.update(torch.cat([torch.tensor(captions).float(), summed[:, None]], 1), targets(*images))
    return meter.compute()


def bleu(score: Score) -> list[float]:
    return [score[f"bleu_{words}"] for words in (1, 2, 3, 4)]


def test_words_are_counted_as_often_as_a_reference_has_them() -> None:
    """The example of Papineni et al. 2002, section 2.1: seven times "the", which a reference has twice: 2/7."""
    assert bleu(scored([[1] * 7], [[1, 2, 3, 4, 1, 2], [4, 2, 3, 3, 1, 2, 4]])) == pytest.approx([200 / 7, 0, 0, 0])


def test_a_caption_ends_at_its_first_zero_and_short_ones_pay() -> None:
    """Both words and their pair are right, and exp(1 - 4 / 2) is the penalty for two words in place of four."""
    assert bleu(scored([[1, 2, 0, 3]], [[1, 2, 3, 4]])) == pytest.approx([100 * math.exp(-1)] * 2 + [0, 0])


def test_bleu_is_of_all_images_together_and_words_that_are_not_taught_count() -> None:
    """Of 4 + 4 words 7 are right, of 3 + 3 pairs 5, of 2 + 2 triples 3, of 1 + 1 fours 1."""
    found = bleu(scored([[1, 2, 3, 4], [1, 2, 3, 4]], [[1, 2, 3, 4]], [[1, 2, 3, 9]]))
    precisions = [7 / 8, 5 / 6, 3 / 4, 1 / 2]
    means = [math.prod(precisions[:n]) ** (1 / n) for n in (1, 2, 3, 4)]
    assert found == pytest.approx([100 * mean for mean in means])


def test_perplexity_is_per_word_of_what_is_taught_with_its_end() -> None:
    """Six nats over two words, an end, one word and an end; word 9 is not taught."""
    found = scored([[0], [0]], [[1, 2]], [[1, 9]], losses=[2.0, 4.0])
    assert (found.loss, found["perplexity"]) == pytest.approx((6 / 5, math.exp(6 / 5)))
    assert bleu(found) == [0.0] * 4  # no caption at all


def test_a_network_that_knows_nothing_chooses_among_all_words() -> None:
    network = NeuralTalk(tokens=5, features=3, words=4)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    loss, _ = TASK.loss(network, torch.zeros(1, 3), targets([[1, 2], [3]]))
    assert float(loss.detach()) == pytest.approx(math.log(5))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (synthetic(samples=40), r"has no sentences, .*: targets of int64 \(24, 2, sentences, words\)"),
        (dataset(torch.zeros(2, 3), targets([[1]], []), 5), r"no sentence for its image 1 \(the first is 0\)"),
        (dataset(torch.zeros(1, 3), targets([[4]]), 4), "teaches word 4; 4 words allow 0 to 3"),
        (dataset(torch.zeros(1, 3), targets([[1]]), 1), "has 1 words; 2 or more"),
        (dataset(torch.zeros(0, 3), targets([[1]])[:0], 5), "is empty"),
    ],
)
def test_data_that_do_not_fit_are_refused(data: Dataset, said: str) -> None:
    with pytest.raises(UserError, match=said):
        TASK.check(data)


def test_the_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    with pytest.raises(UserError, match=r"torchmetrics, which is missing: pip install 'pruneexp\[captions\]'"):
        TASK.check(dataset(torch.zeros(1, 3), targets([[1]]), 5))


def test_a_caption_of_no_word_is_refused() -> None:
    with pytest.raises(ValueError, match="words is 0"):
        Captioning(words=0)
