"""Data sets in MNIST's IDX format, read by torchvision. Knows the format and its folders, but no family."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torchvision
from torch import Tensor
from torchvision.datasets.mnist import read_image_file, read_label_file

from pruneexp.data import fetch
from pruneexp.data.dataset import Dataset
from pruneexp.data.labelled import Labelled, hold_out, resident_dataset
from pruneexp.data.normalisation import Normalisation
from pruneexp.errors import UserError

_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True)
class Family:
    """``choice`` is the name on the command line; torchvision's ``origin`` fetches the files and names their folder."""

    choice: str
    title: str
    classes: int
    origin: type[torchvision.datasets.MNIST]
    normalisation: Normalisation


def load(family: Family, root: Path, download: bool, val_images: int, train_images: int | None = None) -> Dataset:
    """Read the four files from torchvision's folder or flat from ``root``, compressed or not; write nothing.

    Raises:
        UserError: files are missing, damaged or cannot be fetched, or ``val_images`` or ``train_images`` is out of
            range.
    """
    folders = [root / family.origin.__name__ / "raw", root]
    paths = _find(folders)
    if paths is None and download:
        with fetch.fetching(family.title, root):
            family.origin(root, download=True)
        paths = _find(folders)
    if paths is None:
        raise fetch.missing(family.title, family.choice, f"{_NAMES[0]}[.gz] and its three companions", folders, root)
    remedy = f"delete it and run: {fetch.command(family.choice, root)}"
    train, test = _labelled(paths[0], paths[1], remedy), _labelled(paths[2], paths[3], remedy)
    splits = hold_out(train, test, val_images, family.choice, train_images)
    return resident_dataset(family.choice, family.classes, splits, family.normalisation)


def _find(folders: list[Path]) -> list[Path] | None:
    """The four files, from the first folder that has them all."""
    for folder in folders:
        pairs = ((folder / name, folder / f"{name}.gz") for name in _NAMES)
        paths = [next((path for path in pair if os.path.isfile(path)), None) for pair in pairs]
        complete = [path for path in paths if path is not None]
        if len(complete) == len(_NAMES):
            return complete
    return None


def _labelled(images_path: Path, labels_path: Path, remedy: str) -> Labelled:
    images = _read(images_path, read_image_file, remedy)
    labels = _read(labels_path, read_label_file, remedy)
    if len(images) != len(labels):
        raise UserError(f"{images_path} holds {len(images)} images but {labels_path} {len(labels)} labels; {remedy}")
    return Labelled(images.unsqueeze(1), labels)


def _read(path: Path, parse: Callable[[str], Tensor], remedy: str) -> Tensor:
    with fetch.reading(path, remedy):
        if path.suffix != ".gz":
            return parse(str(path))
        with gzip.open(path) as packed, tempfile.NamedTemporaryFile() as plain:  # the parser takes plain files only
            shutil.copyfileobj(packed, plain)
            plain.flush()
            return parse(plain.name)
