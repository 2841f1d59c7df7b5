"""Image folders of two classes for tests, and what a data set of them sees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pruneexp.data.dataset import Dataset
from pruneexp.data.imagenet import imagenet
from tests.contracts.datasets import everything

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
FIRST = "val/a/0"


def two_classes(root: Path, side: int = 8, suffix: str = ".png") -> Path:
    """Noise, four images per class to train on and one to test, all of the same size."""
    random = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 1)):
        for name in "ab":
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (side, side, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{number}{suffix}")
    return root


def loaded(root: Path, side: int = 8, workers: int = 0) -> Dataset:
    return imagenet(str(root), image_size=side, resize=side, workers=workers)


def with_first(root: Path, suffix: str, save: Callable[[Path], object], side: int = 8) -> Path:
    """The folders, with the first test image replaced by what ``save`` writes; its path."""
    two_classes(root, side)
    (root / f"{FIRST}.png").unlink()
    path = root / f"{FIRST}{suffix}"
    save(path)
    return path


def first_pixels(root: Path, side: int = 8, workers: int = 0) -> Tensor:
    """The first test image as the data set gives it, without normalisation: uint8 (3, side, side)."""
    seen = everything(loaded(root, side, workers).test, torch.tensor([0]))[0]
    return ((seen * STD + MEAN) * 255).round().to(torch.uint8)
