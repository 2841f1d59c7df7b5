"""ImageNet, or any photographs in its layout: ``<root>/train/<class>/*.jpg`` and ``<root>/val/<class>/*.jpg``.

Streamed, because it does not fit in memory. The official validation images are the test set here; ``val`` is carved
out of the training images, so that nothing is ever chosen on what is reported.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor
from torchvision.datasets.folder import default_loader
from torchvision.transforms import RandomHorizontalFlip, RandomResizedCrop
from torchvision.transforms import functional as transform

from pruneexp.data import fetch
from pruneexp.data.dataset import Dataset
from pruneexp.data.fingerprint import fingerprint
from pruneexp.data.normalisation import Normalisation
from pruneexp.data.split import stratified_split
from pruneexp.data.streamed import StreamedSource
from pruneexp.errors import UserError

_NORMALISATION = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # torchvision's, over ILSVRC-2012
_MOST_VAL = 50_000  # as many as the official validation images
_PREPROCESSING = "resize shorter side, center crop; train: RandomResizedCrop, RandomHorizontalFlip"


@dataclass(frozen=True, eq=False)
class _Photographs:
    """File names as one array of bytes: a list of 1.3 million strings would be copied into every worker."""

    root: Path
    files: NDArray[Any]
    labels: Tensor

    def take(self, indices: Tensor) -> _Photographs:
        return _Photographs(self.root, self.files[indices.numpy()], self.labels[indices])

    def path(self, index: int) -> Path:
        return self.root / os.fsdecode(bytes(self.files[index]))

    def open(self, index: int) -> Image:
        path = self.path(index)
        with fetch.reading(path, "replace or delete it"):
            photograph: Image = default_loader(str(path))
        return photograph


@dataclass(frozen=True, eq=False)
class _Central:
    """A ``streamed.Reader``: the middle of the photograph, whatever the seed."""

    photographs: _Photographs
    resize: int
    image_size: int

    def __call__(self, index: int, seed: int | None) -> Tensor:
        resized = transform.resize(self.photographs.open(index), [self.resize])
        return _pixels(transform.center_crop(resized, [self.image_size]))


@dataclass(frozen=True, eq=False)
class _Random:
    """A ``streamed.Reader``: a random part at a random scale, mirrored or not; without a seed, the middle."""

    central: _Central

    def __call__(self, index: int, seed: int | None) -> Tensor:
        if seed is None:
            return self.central(index, None)
        photograph = self.central.photographs.open(index)
        with torch.random.fork_rng(devices=[]):  # torchvision's transforms draw from the global generator only
            torch.default_generator.manual_seed(seed)
            return _pixels(RandomHorizontalFlip()(RandomResizedCrop(self.central.image_size)(photograph)))


def imagenet(
    root: str,
    download: bool = False,
    image_size: int = 224,
    resize: int = 256,
    val_images: int | None = None,
    workers: int = 4,
) -> Dataset:
    """Photographs in colour, normalised by ImageNet's constants; the classes are the folders, in sorted order.

    Args:
        root: folder that holds ``train`` and ``val``.
        download: unpack the official archives, which lie in ``root``, by torchvision; they cannot be fetched without
            an account.
        image_size: side of what the network sees, in pixels (227 for the AlexNet of Han et al. 2015).
        resize: shorter side before the central crop, in pixels; at least ``image_size``.
        val_images: images held out of ``train``, stratified; by default a tenth, at most 50,000.
        workers: processes that read; changes no number.

    Raises:
        UserError: folders are missing or disagree, archives cannot be unpacked, or ``val_images`` is out of range.
        ValueError: a size or ``workers`` is out of range.
    """
    if not 1 <= image_size <= resize:
        raise ValueError(f"image_size is {image_size}; 1 to resize={resize} is allowed")
    place = Path(root).expanduser()
    if download and not all((place / split).is_dir() for split in ("train", "val")):
        with fetch.fetching("ImageNet", place):
            for split in ("train", "val"):
                torchvision.datasets.ImageNet(place, split=split)
    classes, official = _scan(place, "train")
    test_classes, official_test = _scan(place, "val")
    if classes != test_classes:
        odd = ", ".join(sorted(set(classes) ^ set(test_classes))[:5])
        raise UserError(f"{place / 'train'} and {place / 'val'} must hold the same class folders; only one has: {odd}")
    stay, held = stratified_split(official.labels, [_val_size(val_images, len(official.labels))])
    parts = {"train": official.take(stay), "val": official.take(held), "test": official_test}
    train, val, test = (_Central(part, resize, image_size) for part in parts.values())
    return Dataset(
        name="imagenet",
        classes=len(classes),
        shape=(3, image_size, image_size),
        train=StreamedSource(_Random(train), train.photographs.labels, _NORMALISATION, workers),
        val=StreamedSource(val, val.photographs.labels, _NORMALISATION, workers),
        test=StreamedSource(test, test.photographs.labels, _NORMALISATION, workers),
        fingerprint=_fingerprint(parts, {"classes": classes, "image_size": image_size, "resize": resize}),
    )


def _val_size(asked: int | None, available: int) -> int:
    size = min(_MOST_VAL, max(1, available // 10)) if asked is None else asked
    if not 1 <= size < available:
        raise UserError(f"data.val_images is {size}; the {available} images in train allow 1 to {available - 1}")
    return size


def _scan(root: Path, split: str) -> tuple[list[str], _Photographs]:
    folder = root / split
    try:
        found = torchvision.datasets.ImageFolder(folder)
    except OSError as error:
        raise UserError(
            f"ImageNet is not there: {folder} must hold one folder of images per class ({fetch.sentence(error)}); put "
            f"the official archives into {root} and unpack them with: {fetch.command('imagenet', root)}"
        ) from error
    names = np.array([os.fsencode(os.path.relpath(path, root)) for path, _ in found.samples])
    return found.classes, _Photographs(root, names, torch.tensor(found.targets))


def _pixels(photograph: Image) -> Tensor:
    pixels: Tensor = transform.pil_to_tensor(photograph)
    return pixels


def _fingerprint(parts: dict[str, _Photographs], facts: dict[str, Any]) -> str:
    """File names, sizes and labels of each split stand for the images: reading 140 GB to hash them takes too long."""
    arrays: dict[str, NDArray[Any]] = {}
    for split, part in parts.items():
        sizes = [part.path(index).stat().st_size for index in range(len(part.files))]
        arrays[f"{split}.files"] = part.files
        arrays[f"{split}.sizes"] = np.array(sizes, dtype=np.int64)
        arrays[f"{split}.labels"] = part.labels.numpy()
    return fingerprint(facts | {"normalisation": repr(_NORMALISATION), "preprocessing": _PREPROCESSING}, arrays)
