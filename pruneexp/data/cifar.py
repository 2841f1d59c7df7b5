"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 50,000 training and 10,000 test images, 32 x 32 in colour.

torchvision reads them, from ``<root>/cifar-10-batches-py`` and ``<root>/cifar-100-python``. The files are Python
pickles, which can run code when they are opened: torchvision opens them only after a check of each file's MD5.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision
from torchvision.datasets.utils import check_integrity

from pruneexp.data import fetch
from pruneexp.data.augment import CropAndFlip
from pruneexp.data.dataset import Dataset
from pruneexp.data.labelled import Labelled, hold_out, resident_dataset
from pruneexp.data.normalisation import Normalisation
from pruneexp.errors import UserError


@dataclass(frozen=True)
class _Family:
    choice: str
    title: str
    classes: int
    origin: type[torchvision.datasets.CIFAR10]
    normalisation: Normalisation  # over the 50,000 training images


_TEN = _Family(
    "cifar10",
    "CIFAR-10",
    10,
    torchvision.datasets.CIFAR10,
    Normalisation((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
)
_HUNDRED = _Family(
    "cifar100",
    "CIFAR-100",
    100,
    torchvision.datasets.CIFAR100,
    Normalisation((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
)


def cifar10(root: str, download: bool = False, val_images: int = 5000) -> Dataset:
    """Ten classes; augmentation, if requested, shifts images by up to four pixels and mirrors them.

    Args:
        root: folder that holds torchvision's layout or the archive, or into which the archive is fetched.
        download: fetch and unpack what is missing; an archive already in ``root`` is unpacked without a network.
        val_images: images held out of the training set, stratified.

    Raises:
        UserError: files are missing, damaged or cannot be fetched, or ``val_images`` is out of range.
    """
    return _load(_TEN, Path(root).expanduser(), download, val_images)


def cifar100(root: str, download: bool = False, val_images: int = 5000) -> Dataset:
    """A hundred classes (the fine labels); arguments, augmentation and errors as for ``cifar10``."""
    return _load(_HUNDRED, Path(root).expanduser(), download, val_images)


def _load(family: _Family, root: Path, download: bool, val_images: int) -> Dataset:
    if download:
        with fetch.fetching(family.title, root):
            family.origin(root, download=True)
    _check_files(family, root)
    splits = hold_out(_part(family, root, True), _part(family, root, False), val_images, family.choice)
    augmentation = CropAndFlip(padding=4, fill=family.normalisation.black)
    return resident_dataset(family.choice, family.classes, splits, family.normalisation, augmentation)


def _check_files(family: _Family, root: Path) -> None:
    folder = root / family.origin.base_folder
    meta = (family.origin.meta["filename"], family.origin.meta["md5"])
    for name, md5 in (*family.origin.train_list, *family.origin.test_list, meta):
        if not os.path.isfile(folder / name):
            raise fetch.missing(family.title, family.choice, name, [folder], root)
        if not check_integrity(folder / name, md5):
            raise UserError(
                f"{folder / name} is damaged (its MD5 is not {md5}); delete it and run: "
                f"{fetch.command(family.choice, root)}"
            )


def _part(family: _Family, root: Path, train: bool) -> Labelled:
    folder = root / family.origin.base_folder
    with fetch.reading(folder, f"delete it and run: {fetch.command(family.choice, root)}"):
        part = family.origin(root, train=train)
    images = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()  # torchvision gives N, H, W, C
    return Labelled(images, torch.tensor(part.targets))
