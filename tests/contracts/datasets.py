"""The promises of every data set: a test class inherits ``DatasetContract`` and loads its data set."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pruneexp.data.dataset import Dataset, Source

CPU = torch.device("cpu")


def everything(source: Source, order: Tensor | None = None, augment: torch.Generator | None = None) -> Tensor:
    """All visited images, in order."""
    return torch.cat([images for images, _ in source.batches(7, CPU, order=order, augment=augment)])


def labels_of(source: Source) -> Tensor:
    """The classes of the images of a source, which a classifier asks for."""
    labels = getattr(source, "labels", None)
    assert isinstance(labels, Tensor)
    return labels


class DatasetContract:
    """Override ``load``, ``sizes`` and, where they differ, the other facts."""

    sizes: tuple[int, int, int]  # train, val, test
    shape: tuple[int, int, int]
    classes: int
    augmented = False  # whether `train` changes under an augment generator
    twins = 0  # images that the origin has more than once, in different splits

    @pytest.fixture(scope="class")
    @classmethod
    def load(cls) -> Callable[[], Dataset]:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def dataset(cls, load: Callable[[], Dataset]) -> Dataset:
        return load()

    @pytest.fixture
    def some(self, dataset: Dataset) -> Tensor:
        """An order: 20 training images, some of them twice, from the last to the first."""
        chosen = torch.linspace(0, len(dataset.train) - 1, 20).long().flip(0)
        return torch.cat([chosen, chosen[:3]])

    def test_facts(self, dataset: Dataset) -> None:
        assert (len(dataset.train), len(dataset.val), len(dataset.test)) == self.sizes
        assert dataset.shape == self.shape
        assert dataset.classes == self.classes
        assert set(labels_of(dataset.train).tolist()) == set(range(self.classes))

    def test_splits_are_disjoint(self, dataset: Dataset) -> None:
        splits = [
            {image.numpy().tobytes() for images, _ in source.batches(500, CPU) for image in images}
            for source in (dataset.train, dataset.val, dataset.test)
        ]
        assert sum(len(one & other) for one, other in itertools.combinations(splits, 2)) == self.twins

    def test_val_is_stratified(self, dataset: Dataset) -> None:
        train, val = (
            torch.bincount(labels_of(source), minlength=self.classes) for source in (dataset.train, dataset.val)
        )
        proportional = (train + val) * (len(dataset.val) / (len(dataset.train) + len(dataset.val)))
        assert float((val - proportional).abs().max()) <= 1

    def test_batches_have_the_promised_form(self, dataset: Dataset) -> None:
        for source in (dataset.train, dataset.val, dataset.test):
            order = torch.arange(min(len(source), 10))
            batches = list(source.batches(4, CPU, order=order))
            assert [len(images) for images, _ in batches] == [min(4, len(order) - i) for i in range(0, len(order), 4)]
            for images, labels in batches:
                assert images.dtype == torch.float32
                assert images.shape[1:] == self.shape
                assert labels.dtype == torch.int64
                assert bool(images.isfinite().all())
                assert float(images.min()) < 0 < float(images.max())
                assert float(images.abs().max()) < 10

    def test_fingerprint_repeats(self, dataset: Dataset, load: Callable[[], Dataset]) -> None:
        assert len(dataset.fingerprint) == 64
        assert load().fingerprint == dataset.fingerprint

    def test_no_order_visits_all_from_first_to_last(self, dataset: Dataset) -> None:
        whole = everything(dataset.val)
        assert torch.equal(whole, everything(dataset.val, torch.arange(len(dataset.val))))
        assert len(whole) == len(dataset.val)

    def test_order_is_respected(self, dataset: Dataset, some: Tensor) -> None:
        one_by_one = torch.cat([everything(dataset.train, index.view(1)) for index in some])
        assert torch.equal(everything(dataset.train, some), one_by_one)

    def test_labels_belong_to_their_images(self, dataset: Dataset, some: Tensor) -> None:
        labels = torch.cat([labels for _, labels in dataset.train.batches(7, CPU, order=some)])
        assert torch.equal(labels, labels_of(dataset.train)[some])

    def test_empty_order_gives_nothing(self, dataset: Dataset) -> None:
        assert list(dataset.train.batches(4, CPU, order=torch.empty(0, dtype=torch.int64))) == []

    def test_batches_belong_to_the_caller(self, dataset: Dataset) -> None:
        before = everything(dataset.val)
        for images, labels in dataset.val.batches(len(dataset.val), CPU):
            images.zero_()
            labels.zero_()
        assert torch.equal(everything(dataset.val), before)
        assert int(labels_of(dataset.val).max()) > 0

    def test_augmentation_follows_the_generator_alone(self, dataset: Dataset, some: Tensor) -> None:
        order = some[:20]
        plain = everything(dataset.train, order)
        torch.manual_seed(1)
        first = everything(dataset.train, order, torch.Generator().manual_seed(5))
        torch.manual_seed(2)
        state = torch.get_rng_state()
        assert torch.equal(everything(dataset.train, order, torch.Generator().manual_seed(5)), first)
        assert torch.equal(torch.get_rng_state(), state)
        other = everything(dataset.train, order, torch.Generator().manual_seed(6))
        assert torch.equal(first, other) is not self.augmented
        assert torch.equal(first, plain) is not self.augmented

    def test_augmentation_resumes_after_any_batch(self, dataset: Dataset, some: Tensor) -> None:
        generator = torch.Generator().manual_seed(5)
        batches, states = [], []
        for images, _ in dataset.train.batches(7, CPU, order=some, augment=generator):
            batches.append(images)
            states.append(generator.get_state())
        generator.set_state(states[0])
        assert torch.equal(everything(dataset.train, some[7:], generator), torch.cat(batches[1:]))

    def test_val_and_test_are_never_augmented(self, dataset: Dataset) -> None:
        for source in (dataset.val, dataset.test):
            order = torch.arange(min(len(source), 10))
            augmented = everything(source, order, torch.Generator().manual_seed(5))
            assert torch.equal(augmented, everything(source, order))

    def test_wrong_requests_are_refused_at_the_call(self, dataset: Dataset) -> None:
        with pytest.raises(ValueError, match="batch_size is 0"):
            dataset.train.batches(0, CPU)
        with pytest.raises(ValueError, match=f"allow 0 to {len(dataset.train) - 1}"):
            dataset.train.batches(4, CPU, order=torch.tensor([len(dataset.train)]))
        with pytest.raises(ValueError, match="int64"):
            dataset.train.batches(4, CPU, order=torch.tensor([0.0]))
