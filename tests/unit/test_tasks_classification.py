"""Classification keeps the promises of a task; its scores by hand stand with those of ``evaluate``."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pruneexp.data.dataset import Dataset
from pruneexp.data.text import topics
from pruneexp.errors import UserError
from pruneexp.tasks.classification import CLASSIFICATION, Classification
from pruneexp.tasks.task import Task
from tests.contracts.tasks import TaskContract, dataset


class TestClassification(TaskContract):
    @pytest.fixture
    def task(self) -> Task:
        return Classification()

    @pytest.fixture
    def data(self) -> Dataset:
        images = torch.randn(8, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        return dataset(images, torch.arange(8) % 7, 7)

    @pytest.fixture
    def network(self) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return nn.Sequential(nn.Flatten(), nn.Linear(16, 7))


def test_text_has_no_label_for_each_window() -> None:
    with pytest.raises(
        UserError,
        match=r"train split of data set 'topics' has .* of shape \(\d+, 128\), .* names it in data\.info\.task",
    ):
        CLASSIFICATION.check(topics())


def test_smoothed_labels_by_hand() -> None:
    """Of two equal logits every label, smoothed or not, costs log 2."""
    logits = torch.zeros(3, 2)
    loss, _ = CLASSIFICATION.loss(nn.Identity(), logits, torch.tensor([0, 1, 0]), smoothing=0.3)
    assert float(loss) == pytest.approx(0.6931472)
    uneven = torch.tensor([[1.0, 0.0]])
    whole, _ = CLASSIFICATION.loss(nn.Identity(), uneven, torch.tensor([0]))
    smooth, _ = CLASSIFICATION.loss(nn.Identity(), uneven, torch.tensor([0]), smoothing=0.2)
    assert float(smooth - whole) == pytest.approx(0.1)  # a tenth of the weight moves to a logit that is one lower
