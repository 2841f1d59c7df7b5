"""Augmentation: exactly the shifts and mirror images that are possible, evenly, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pruneexp.data.augment import CropAndFlip


def possible_views(image: Tensor, padding: int, fill: tuple[float, ...]) -> list[Tensor]:
    """Every shift and mirror of one image (C, H, W), one pixel at a time."""
    channels, height, width = image.shape
    views = []
    for top in range(-padding, padding + 1):
        for left in range(-padding, padding + 1):
            view = torch.empty_like(image)
            for c in range(channels):
                for y in range(height):
                    for x in range(width):
                        inside = 0 <= y + top < height and 0 <= x + left < width
                        view[c, y, x] = image[c, y + top, x + left] if inside else fill[c]
            views += [view, view.flip(2)]
    return views


def test_every_result_is_a_shift_or_its_mirror_image_and_all_occur() -> None:
    image = torch.arange(2 * 3 * 4, dtype=torch.float32).view(2, 3, 4)
    fill = (-1.0, -2.0)
    views = {view.numpy().tobytes() for view in possible_views(image, 1, fill)}
    augmented = CropAndFlip(1, fill)(image.expand(600, -1, -1, -1), torch.Generator().manual_seed(0))
    assert {view.numpy().tobytes() for view in augmented} == views


def test_places_and_mirrors_are_even() -> None:
    image = torch.arange(16, dtype=torch.float32).view(1, 1, 4, 4)
    batch = CropAndFlip(4, (-1.0,))(image.expand(8100, -1, -1, -1), torch.Generator().manual_seed(0))
    unmoved = int((batch == image).all(dim=(1, 2, 3)).sum())
    mirrored = int((batch == image.flip(3)).all(dim=(1, 2, 3)).sum())
    for count in (unmoved, mirrored):  # expected 8100 / 162 = 50, standard deviation 7
        assert 20 < count < 80


def test_input_is_left_alone() -> None:
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    augmented = CropAndFlip(4, (0.0, 0.0, 0.0))(images, torch.Generator().manual_seed(1))
    assert torch.equal(images, before)
    assert augmented.shape == images.shape
    assert not torch.equal(augmented, images)


def test_no_padding_is_refused() -> None:
    with pytest.raises(ValueError, match="padding is 0; 1 or more is allowed"):
        CropAndFlip(0, (0.0,))
