"""Generated images: learnable, and refused when the arguments make no sense."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from pruneexp.data.dataset import Dataset
from pruneexp.data.synthetic import synthetic
from pruneexp.errors import UserError
from pruneexp.tasks.classification import CLASSIFICATION
from tests.contracts.datasets import DatasetContract, everything, labels_of


class TestSynthetic(DatasetContract):
    sizes = (144, 48, 48)
    shape = (3, 12, 12)
    classes = 3

    @pytest.fixture(scope="class")
    @classmethod
    def load(cls) -> Callable[[], Dataset]:
        return lambda: synthetic(classes=3, samples=240, image_size=12, channels=3)


def test_nearest_mean_tells_the_classes_apart() -> None:
    data = synthetic(classes=10)
    train, test = everything(data.train).flatten(1), everything(data.test).flatten(1)
    means = torch.stack([train[labels_of(data.train) == c].mean(0) for c in range(10)])
    assert (torch.cdist(test, means).argmin(1) == labels_of(data.test)).float().mean() > 0.9


def test_seed_changes_the_images() -> None:
    assert synthetic(seed=0).fingerprint != synthetic(seed=1).fingerprint


def test_one_class_is_refused() -> None:
    with pytest.raises(UserError, match="'synthetic' has 1 class"):
        CLASSIFICATION.check(synthetic(classes=1))


@pytest.mark.parametrize(("name", "value"), [("classes", 0), ("image_size", 3), ("channels", 0), ("seed", -1)])
def test_arguments_out_of_range_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        synthetic(**{name: value})


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="samples is 39; 40 or more is allowed"):
        synthetic(classes=4, samples=39)
