"""Discs, squares and triangles on noise, each with its box: small images for a detector, drawn in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pruneexp.data.boxes import BoxedSource, padded
from pruneexp.data.dataset import Dataset
from pruneexp.data.fingerprint import fingerprint
from pruneexp.data.normalisation import Normalisation
from pruneexp.data.resident import ResidentSource

CLASSES = ("disc", "square", "triangle")
_MOST = 3  # objects of an image
_NORMALISATION = Normalisation((0.4,) * 3, (0.2,) * 3)


def shapes(train: int = 200, val: int = 60, test: int = 120, image_size: int = 64, seed: int = 0) -> Dataset:
    """Draw images (3, image_size, image_size) with one to three objects, of an eighth to two fifths of their side.

    Later objects may hide parts of earlier ones. Augmentation mirrors every second image.

    Raises:
        ValueError: a split is empty, the images are below 32 px, or the seed is below 0.
    """
    for name, value, least in (("train", train, 1), ("val", val, 1), ("test", test, 1), ("seed", seed, 0)):
        if value < least:
            raise ValueError(f"{name} is {value}; {least} or more is allowed")
    if image_size < 32:
        raise ValueError(f"image_size is {image_size}; 32 or more is allowed")
    random = np.random.default_rng(seed)
    sources: dict[str, BoxedSource] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for split, count in (("train", train), ("val", val), ("test", test)):
        pixels, targets = _drawn(count, image_size, random)
        images = ResidentSource(pixels, torch.arange(count), _NORMALISATION)
        sources[split] = BoxedSource(images, targets, mirrors=split == "train")
        arrays |= {f"{split}.images": pixels.numpy(), f"{split}.targets": targets.numpy()}
    facts = {"classes": CLASSES, "normalisation": repr(_NORMALISATION)}
    shape = (3, image_size, image_size)
    return Dataset("shapes", len(CLASSES), shape, **sources, fingerprint=fingerprint(facts, arrays))


def _drawn(count: int, size: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Pixels, uint8 (count, 3, size, size), and targets (count, 3, 6)."""
    pixels = random.integers(60, 140, (count, 3, size, size))
    objects = []
    for image in pixels:
        rows = [_object(image, random) for _ in range(int(random.integers(1, _MOST + 1)))]
        objects.append(torch.tensor(rows, dtype=torch.float32))
    return torch.from_numpy(pixels.astype(np.uint8)), padded(objects, _MOST)


def _object(image: NDArray[np.int64], random: np.random.Generator) -> tuple[int, int, int, int, int, int]:
    """Draw one object into an image (3, H, W), in a colour that is far from the noise; return its target."""
    size = image.shape[1]
    side = int(random.integers(size // 8, 2 * size // 5 + 1))
    left, top = (int(at) for at in random.integers(0, size - side + 1, 2))
    kind = int(random.integers(len(CLASSES)))
    colour = random.choice((20, 230), 3)
    image[:, top : top + side, left : left + side][:, _inside(kind, side)] = colour[:, None]
    return left, top, left + side, top + side, kind, 0


def _inside(kind: int, side: int) -> NDArray[np.bool_]:
    """The pixels of an object in its box (side, side), which it fills to all four edges."""
    rows, columns = np.mgrid[:side, :side] + 0.5
    across = np.abs(columns - side / 2)
    filled: dict[str, NDArray[np.bool_]] = {
        "disc": across**2 + (rows - side / 2) ** 2 <= (side / 2) ** 2,
        "square": np.ones((side, side), bool),
        "triangle": across <= (rows + 0.5) / 2,
    }
    return filled[CLASSES[kind]]
