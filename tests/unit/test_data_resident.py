"""Images in memory: their numbers, and where they are kept."""

from __future__ import annotations

import pytest
import torch

from pruneexp.data.augment import CropAndFlip
from pruneexp.data.normalisation import Normalisation
from pruneexp.data.resident import ResidentSource

CPU = torch.device("cpu")
COLOUR = Normalisation((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))


def photographs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, 3, 9, 7), dtype=torch.uint8, generator=generator), torch.arange(count) % 5


def test_normalised_by_hand() -> None:
    # (pixel / 255 - 0.5) / 0.25 of 0, 255 and 51
    images = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 1, 1, 3)
    source = ResidentSource(images, torch.tensor([1]), Normalisation((0.5,), (0.25,)))
    ((batch, labels),) = source.batches(4, CPU)
    torch.testing.assert_close(batch.flatten(), torch.tensor([-2.0, 2.0, -1.2]))
    assert labels.tolist() == [1]


def test_kept_as_floats_or_as_bytes_the_numbers_are_the_same() -> None:
    images, labels = photographs(50)
    sources = [
        ResidentSource(images, labels, COLOUR, CropAndFlip(2, COLOUR.black), float_bytes=limit)
        for limit in (4 * images.numel(), 4 * images.numel() - 1)
    ]
    order = torch.arange(50).flip(0)
    for seed in (None, 3):
        generators = [None if seed is None else torch.Generator().manual_seed(seed) for _ in sources]
        as_floats, as_bytes = (
            torch.cat([batch for batch, _ in source.batches(8, CPU, order=order, augment=generator)])
            for source, generator in zip(sources, generators, strict=True)
        )
        assert torch.equal(as_floats, as_bytes)
    assert [source._places[CPU].examples.inputs.dtype for source in sources] == [torch.float32, torch.uint8]


def test_images_move_to_a_device_once() -> None:
    source = ResidentSource(*photographs(10), COLOUR)
    list(source.batches(4, CPU))
    kept = source._places[CPU].examples.inputs.data_ptr()
    list(source.batches(3, CPU))
    assert source._places[CPU].examples.inputs.data_ptr() == kept
    assert len(source._places) == 1


def test_wrong_tensors_are_refused() -> None:
    images, labels = photographs(4)
    with pytest.raises(ValueError, match=r"uint8 \(N, C, H, W\) is allowed"):
        ResidentSource(images.float(), labels, COLOUR)
    with pytest.raises(ValueError, match=r"int64 \(4,\) is allowed"):
        ResidentSource(images, labels[:3], COLOUR)
    with pytest.raises(ValueError, match="normalisation has 1 channels; the images have 3"):
        ResidentSource(images, labels, Normalisation((0.5,), (0.5,)))


@pytest.mark.parametrize(("mean", "std"), [((0.5,), (0.5, 0.5)), ((0.5,), (0.0,)), ((0.5,), (float("nan"),))])
def test_wrong_constants_are_refused(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"per channel is needed|above 0"):
        Normalisation(mean, std)
