"""Checks of the three splits of a data set."""

from __future__ import annotations

import pytest
import torch

from pruneexp.data.dataset import Dataset
from pruneexp.data.labelled import Labelled, Splits, hold_out, resident_dataset
from pruneexp.data.normalisation import Normalisation
from pruneexp.data.resident import ResidentSource
from pruneexp.errors import UserError
from pruneexp.tasks.classification import CLASSIFICATION

GREY = Normalisation((0.5,), (0.25,))


def source(*labels: int) -> ResidentSource:
    images = torch.zeros(len(labels), 1, 4, 4, dtype=torch.uint8)
    return ResidentSource(images, torch.tensor(labels, dtype=torch.int64), GREY)


def dataset(classes: int, train: ResidentSource, val: ResidentSource, test: ResidentSource) -> Dataset:
    """The data set, checked as data of a classifier."""
    made = Dataset("mine", classes, (1, 4, 4), train, val, test, "0" * 64)
    CLASSIFICATION.check(made)
    return made


def test_one_class_is_refused() -> None:
    with pytest.raises(UserError, match=r"data set 'mine' has 1 class; a classifier needs 2 or more"):
        dataset(1, source(0, 0), source(0), source(0))


def test_training_images_of_one_class_are_refused() -> None:
    with pytest.raises(UserError, match=r"train split of data set 'mine' .* one class only \(class 2 of 3\)"):
        dataset(3, source(2, 2), source(0), source(1))


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_out_of_range_are_refused(label: int) -> None:
    with pytest.raises(UserError, match=r"the test split of data set 'mine' has labels .*; 3 classes allow 0 to 2"):
        dataset(3, source(0, 1), source(0), source(1, label))


def test_empty_split_is_refused() -> None:
    with pytest.raises(UserError, match="the val split of data set 'mine' is empty"):
        dataset(2, source(0, 1), source(), source(1))


def test_labels_of_another_type_are_refused() -> None:
    wrong = source(0, 1)
    object.__setattr__(wrong, "labels", torch.zeros(2))  # a user's own source need not check as ours does
    with pytest.raises(UserError, match=r"torch\.float32 labels"):
        dataset(2, source(0, 1), wrong, source(1))


@pytest.mark.parametrize("val_images", [0, 4, -3])
def test_val_that_leaves_nothing_is_refused(val_images: int) -> None:
    part = Labelled(torch.zeros(4, 1, 4, 4, dtype=torch.uint8), torch.arange(4) % 2)
    with pytest.raises(UserError, match=rf"data.val_images is {val_images}; .* 'mine' allow 1 to 3"):
        hold_out(part, part, val_images, "mine")


def test_splits_of_different_shapes_are_refused() -> None:
    small, large = (Labelled(torch.zeros(4, 1, size, size, dtype=torch.uint8), torch.arange(4) % 2) for size in (4, 5))
    with pytest.raises(UserError, match=r"different shapes: .*'test': \(1, 5, 5\)"):
        resident_dataset("mine", 2, Splits(small, small, large), GREY)


def test_some_of_the_training_images_are_trained_on_and_val_stays_the_same() -> None:
    part = Labelled(torch.arange(40, dtype=torch.uint8).reshape(40, 1, 1, 1), torch.arange(40) % 4)
    whole, some = hold_out(part, part, 8, "mine"), hold_out(part, part, 8, "mine", 12)
    assert torch.equal(some.val.images, whole.val.images)
    assert some.train.labels.bincount().tolist() == [3, 3, 3, 3]
    assert set(some.train.images.flatten().tolist()) < set(whole.train.images.flatten().tolist())
    assert torch.equal(hold_out(part, part, 8, "mine", 32).train.images, whole.train.images)


@pytest.mark.parametrize("train_images", [0, 33])
def test_more_training_images_than_there_are_is_refused(train_images: int) -> None:
    part = Labelled(torch.zeros(40, 1, 4, 4, dtype=torch.uint8), torch.arange(40) % 4)
    with pytest.raises(UserError, match=rf"data.train_images is {train_images}; .* 'mine' allow 1 to 32, or null"):
        hold_out(part, part, 8, "mine", train_images)
