"""Shapes lie in their boxes, and sources of images with boxes keep the promises of every source."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pruneexp.data.boxes import mirrored
from pruneexp.data.dataset import Dataset, Source
from pruneexp.data.shapes import CLASSES, shapes
from pruneexp.tasks.detection import Detection

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return shapes(train=30, val=8, test=9, image_size=48)


def everything(source: Source, order: Tensor | None = None, augment: torch.Generator | None = None) -> list[Tensor]:
    """Images and targets of a source."""
    return [torch.cat(parts) for parts in zip(*source.batches(7, CPU, order=order, augment=augment), strict=True)]


def test_facts(data: Dataset) -> None:
    assert (len(data.train), len(data.val), len(data.test)) == (30, 8, 9)
    assert (data.classes, data.shape) == (len(CLASSES), (3, 48, 48))
    Detection().check(data)


def test_batches_have_the_promised_form(data: Dataset) -> None:
    images, targets = everything(data.train)
    assert (images.dtype, images.shape) == (torch.float32, (30, 3, 48, 48))
    assert (targets.dtype, targets.shape) == (torch.float32, (30, 3, 6))
    assert -3 < float(images.min()) < 0 < float(images.max()) < 4


def test_the_last_object_fills_its_box_to_the_edges(data: Dataset) -> None:
    """It is drawn over the others in one colour, far from the noise: something of it lies on each edge of its box."""
    for image, target in zip(*everything(data.train), strict=True):
        last = target[target[:, 4] >= 0][-1]
        left, top, right, bottom, kind = map(int, last[:5])
        inside = image[:, top:bottom, left:right]
        middle = inside[:, (bottom - top) // 2, (right - left) // 2]
        own = (inside == middle[:, None, None]).all(0)
        edges = [own[0], own[-1], own[:, 0], own[:, -1]]
        assert all(bool(edge.any()) for edge in edges)
        assert bool(own.all()) == (CLASSES[kind] == "square")


def test_a_seed_decides_it_all() -> None:
    one, same, other = (shapes(train=4, val=1, test=1, seed=seed).fingerprint for seed in (0, 0, 1))
    assert one == same != other


def test_order_is_respected(data: Dataset) -> None:
    order = torch.tensor([5, 0, 29, 5])
    for found, whole in zip(everything(data.train, order), everything(data.train), strict=True):
        assert torch.equal(found, whole[order])


def test_mirrored_boxes_lie_on_mirrored_images() -> None:
    """A bright column at 2 to 3 of 8 px comes to 5 to 6; rows without an object stay as they are."""
    image = torch.zeros(1, 1, 4, 8)
    image[..., 2:3] = 1
    target = torch.tensor([[[2.0, 0, 3, 4, 1, 0], [-1] * 6]])
    images, targets = mirrored(image, target)
    assert targets.tolist() == [[[5, 0, 6, 4, 1, 0], [-1] * 6]]
    assert images[0, 0, 0].nonzero().flatten().tolist() == [5]
    for again, before in zip(mirrored(images, targets), (image, target), strict=True):
        assert torch.equal(again, before)


def test_augmentation_mirrors_some_follows_the_generator_and_resumes(data: Dataset) -> None:
    plain = everything(data.train)
    generator = torch.Generator().manual_seed(5)
    whole = everything(data.train, augment=generator)
    changed = (whole[0] != plain[0]).flatten(1).any(1)
    assert torch.equal(changed, (whole[1] != plain[1]).flatten(1).any(1) | changed)
    assert 5 < int(changed.sum()) < 25
    for found, wanted in zip(mirrored(plain[0][changed], plain[1][changed]), whole, strict=True):
        assert torch.equal(found, wanted[changed])
    generator.manual_seed(5)
    next(batches := data.train.batches(7, CPU, augment=generator))
    del batches
    rest = everything(data.train, torch.arange(7, 30), generator)
    assert all(torch.equal(found, wanted[7:]) for found, wanted in zip(rest, whole, strict=True))


def test_val_is_never_augmented(data: Dataset) -> None:
    pairs = zip(everything(data.val), everything(data.val, augment=torch.Generator().manual_seed(5)), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("argument", [{"val": 0}, {"image_size": 16}, {"seed": -1}])
def test_arguments_out_of_range_are_refused(argument: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(argument))} is .* or more is allowed"):
        shapes(**argument)
