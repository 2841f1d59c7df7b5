"""Bright spots on noise, one position per class: small images that a linear classifier learns; for tests only."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pruneexp.data.dataset import Dataset
from pruneexp.data.labelled import Labelled, Splits, resident_dataset
from pruneexp.data.normalisation import Normalisation
from pruneexp.data.split import stratified_split


def synthetic(classes: int = 4, samples: int = 480, image_size: int = 8, channels: int = 1, seed: int = 0) -> Dataset:
    """Draw ``samples`` images (channels, image_size, image_size); a fifth is validation, a fifth test.

    The spots of the classes sit on a circle; their width is a sixth of the image.

    Raises:
        ValueError: an argument is out of range, or there are fewer than ten samples per class.
    """
    for name, value, least in (
        ("classes", classes, 1),
        ("image_size", image_size, 4),
        ("channels", channels, 1),
        ("seed", seed, 0),
        ("samples", samples, 10 * classes),
    ):
        if value < least:
            raise ValueError(f"{name} is {value}; {least} or more is allowed")
    random = np.random.default_rng(seed)
    labels = np.arange(samples) % classes
    bright = 160 * _spots(classes, image_size)[labels][:, None]
    noisy = 40 + bright + random.normal(0, 30, (samples, channels, image_size, image_size))
    pool = Labelled(torch.from_numpy(noisy.clip(0, 255).astype(np.uint8)), torch.from_numpy(labels))
    train, val, test = (pool.take(part) for part in stratified_split(pool.labels, [samples // 5, samples // 5]))
    normalisation = Normalisation((0.25,) * channels, (0.2,) * channels)
    return resident_dataset("synthetic", classes, Splits(train, val, test), normalisation)


def _spots(classes: int, size: int) -> NDArray[np.float64]:
    """Gaussian spots in [0, 1], (classes, size, size)."""
    angle = 2 * np.pi * np.arange(classes) / classes
    middle, radius, width = (size - 1) / 2, size / 3, size / 6
    rows = np.arange(size)[None, :, None] - (middle + radius * np.sin(angle))[:, None, None]
    columns = np.arange(size)[None, None, :] - (middle + radius * np.cos(angle))[:, None, None]
    return np.asarray(np.exp(-(rows**2 + columns**2) / (2 * width**2)))
