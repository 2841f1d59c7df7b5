"""ImageNet, or any photographs in its layout: ``<root>/train/<class>/*.jpg`` and ``<root>/val/<class>/*.jpg``.

Streamed, because it does not fit in memory. The official validation images are the test set here; ``val`` is held out
of the training images, so that selection never uses a reported image.
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
from torchvision.transforms import RandomHorizontalFlip, RandomResizedCrop
from torchvision.transforms import functional as transform

from pruneexp import places
from pruneexp.data import fetch
from pruneexp.data.class_folders import class_names, labelled_files
from pruneexp.data.dataset import Dataset
from pruneexp.data.digests import file_digests
from pruneexp.data.fingerprint import fingerprint
from pruneexp.data.image_file import read_rgb
from pruneexp.data.normalisation import Normalisation
from pruneexp.data.split import stratified_split
from pruneexp.data.streamed import StreamedSource
from pruneexp.errors import UserError

_NORMALISATION = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # torchvision's, over ILSVRC-2012
_MOST_VAL = 50_000  # as many as the official validation images
_PREPROCESSING = "resize shorter side, center crop; train: RandomResizedCrop, RandomHorizontalFlip"


@dataclass(frozen=True, eq=False)
class _Photographs:
    """File names as one array of bytes, because every worker would get a copy of a list of 1.3 million strings."""

    root: Path
    files: NDArray[Any]
    labels: Tensor

    def take(self, indices: Tensor) -> _Photographs:
        return _Photographs(self.root, self.files[indices.numpy()], self.labels[indices])

    def open(self, index: int) -> Image:
        return read_rgb(self.root / os.fsdecode(bytes(self.files[index])))


@dataclass(frozen=True, eq=False)
class _CenterCrop:
    """A ``streamed.Reader``: the middle of the photograph, for any seed."""

    photographs: _Photographs
    resize: int
    image_size: int

    def __call__(self, index: int, seed: int | None) -> Tensor:
        resized = transform.resize(self.photographs.open(index), [self.resize])
        return _pixels(transform.center_crop(resized, [self.image_size]))


@dataclass(frozen=True, eq=False)
class _RandomCrop:
    """A ``streamed.Reader``: a random part at a random scale, mirrored or not; without a seed, the middle."""

    central: _CenterCrop

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

    The first load reads each file for the fingerprint, which changes with any byte of any image, and remembers its
    digest, so that later loads read only files that have changed. ``image_file.read_rgb`` converts the images, and
    documents which ones it refuses. Hidden files and folders are skipped.

    Args:
        root: folder that holds ``train`` and ``val``.
        download: unpack the official archives in ``root``, by torchvision; fetching them needs an account.
        image_size: side of the network's input, in pixels (227 for the AlexNet of Han et al. 2015).
        resize: shorter side before the central crop, in pixels; at least ``image_size``.
        val_images: images held out of ``train``, stratified; by default a tenth, at most 50,000.
        workers: processes that read images; changes no number.

    Raises:
        UserError: folders are missing, empty or disagree, a file cannot be read, archives cannot be unpacked, or
            ``val_images`` is out of range.
        ValueError: a size or ``workers`` is out of range.
    """
    if not 1 <= image_size <= resize:
        raise ValueError(f"image_size is {image_size}; 1 to resize={resize} is allowed")
    folder = Path(root).expanduser()
    if download and not all((folder / split).is_dir() for split in ("train", "val")):
        with fetch.fetching("ImageNet", folder):
            for split in ("train", "val"):
                torchvision.datasets.ImageNet(folder, split=split)
    classes, official, official_test = _listed(folder)
    stay, held = stratified_split(official.labels, [_val_size(val_images, len(official.labels))])
    parts = {"train": official.take(stay), "val": official.take(held), "test": official_test}
    train, val, test = (_CenterCrop(part, resize, image_size) for part in parts.values())
    contents = _contents(folder, official, official_test)
    digests = {"train": contents[stay], "val": contents[held], "test": contents[len(official.files) :]}
    return Dataset(
        name="imagenet",
        classes=len(classes),
        shape=(3, image_size, image_size),
        train=StreamedSource(_RandomCrop(train), train.photographs.labels, _NORMALISATION, workers),
        val=StreamedSource(val, val.photographs.labels, _NORMALISATION, workers),
        test=StreamedSource(test, test.photographs.labels, _NORMALISATION, workers),
        fingerprint=_fingerprint(parts, digests, {"classes": classes, "image_size": image_size, "resize": resize}),
    )


def _val_size(asked: int | None, available: int) -> int:
    size = min(_MOST_VAL, max(1, available // 10)) if asked is None else asked
    if not 1 <= size < available:
        raise UserError(f"data.val_images is {size}; the {available} images in train allow 1 to {available - 1}")
    return size


def _listed(root: Path) -> tuple[list[str], _Photographs, _Photographs]:
    """The classes, and the images of both folders, whose labels number the classes in the same way."""
    try:
        classes, test_classes = (class_names(root / split) for split in ("train", "val"))
    except UserError as error:
        raise UserError(
            f"ImageNet is not there: {error}; put the official archives into {root} and unpack them with: "
            f"{fetch.command('imagenet', root)}"
        ) from error
    if classes != test_classes:
        odd = ", ".join(sorted(set(classes) ^ set(test_classes))[:5])
        raise UserError(f"{root / 'train'} and {root / 'val'} must hold the same class folders; only one has: {odd}")
    train, test = (_Photographs(root, *labelled_files(root, split, classes)) for split in ("train", "val"))
    return classes, train, test


def _pixels(photograph: Image) -> Tensor:
    pixels: Tensor = transform.pil_to_tensor(photograph)
    return pixels


def _contents(root: Path, train: _Photographs, test: _Photographs) -> NDArray[np.uint8]:
    """A digest of each image of ``train`` and then of ``test``, uint8 (N, 32)."""
    with fetch.reading(root, "mend the folder"):
        memory = places.digests(root)
    return file_digests(root, np.concatenate([train.files, test.files]), memory)


def _fingerprint(parts: dict[str, _Photographs], digests: dict[str, NDArray[np.uint8]], facts: dict[str, Any]) -> str:
    """The fingerprint, from file names, digests of the files and labels of each split."""
    arrays: dict[str, NDArray[Any]] = {}
    for split, part in parts.items():
        arrays[f"{split}.files"] = part.files
        arrays[f"{split}.digests"] = digests[split]
        arrays[f"{split}.labels"] = part.labels.numpy()
    return fingerprint(facts | {"normalisation": repr(_NORMALISATION), "preprocessing": _PREPROCESSING}, arrays)
