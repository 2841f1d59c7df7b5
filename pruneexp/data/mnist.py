"""MNIST (LeCun et al. 1998): 60,000 training and 10,000 test images of digits, 28 x 28 grey, 10 classes."""

from __future__ import annotations

from pathlib import Path

import torchvision

from pruneexp.data import idx
from pruneexp.data.dataset import Dataset
from pruneexp.data.normalisation import Normalisation

_FAMILY = idx.Family(
    choice="mnist",
    title="MNIST",
    classes=10,
    origin=torchvision.datasets.MNIST,
    normalisation=Normalisation((0.1307,), (0.3081,)),  # over the 60,000 training images
)


def mnist(root: str, download: bool = False, val_images: int = 5000) -> Dataset:
    """The digits of the LeNet experiments in Han et al. 2015 (Tables 2 and 3).

    Args:
        root: folder that holds the IDX files, flat or in ``MNIST/raw``, or into which they are fetched.
        download: fetch what is missing.
        val_images: images held out of the training set, stratified.

    Raises:
        UserError: files are missing, damaged or cannot be fetched, or ``val_images`` is out of range.
    """
    return idx.load(_FAMILY, Path(root).expanduser(), download, val_images)
