"""Fashion-MNIST (Xiao et al. 2017): 60,000 training and 10,000 test images of clothes, 28 x 28 grey, 10 classes."""

from __future__ import annotations

from pathlib import Path

import torchvision

from pruneexp.data import idx
from pruneexp.data.dataset import Dataset
from pruneexp.data.normalisation import Normalisation

_FAMILY = idx.Family(
    choice="fashion_mnist",
    title="Fashion-MNIST",
    classes=10,
    origin=torchvision.datasets.FashionMNIST,
    normalisation=Normalisation((0.2860,), (0.3530,)),  # over the 60,000 training images
)


def fashion_mnist(
    root: str, download: bool = False, val_images: int = 5000, train_images: int | None = None
) -> Dataset:
    """Clothes in the format of MNIST; harder than digits.

    Args:
        root: folder that holds the IDX files, flat or in ``FashionMNIST/raw``, or into which they are fetched.
            Debian's package dataset-fashion-mnist has them in ``/usr/share/datasets/fashion-mnist``.
        download: fetch what is missing.
        val_images: images held out of the training set, stratified.
        train_images: so many of the others are trained on, stratified; ``None``: all of them.

    Raises:
        UserError: files are missing, damaged or cannot be fetched, or ``val_images`` or ``train_images`` is out of
            range.
    """
    return idx.load(_FAMILY, Path(root).expanduser(), download, val_images, train_images)
