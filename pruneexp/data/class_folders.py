"""Images in one folder per class, in torchvision's layout. Lists files; opens none."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS, has_file_allowed_extension, make_dataset

from pruneexp.data import fetch
from pruneexp.errors import UserError


def class_names(folder: Path) -> list[str]:
    """The folders in ``folder``, sorted, except hidden ones, which editors and operating systems leave behind.

    Raises:
        UserError: there is no such folder.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder} must hold one folder of images per class ({fetch.sentence(error)})") from error
    if not names:
        raise UserError(f"{folder} must hold one folder of images per class (there is none)")
    return names


def labelled_files(root: Path, split: str, classes: list[str]) -> tuple[NDArray[Any], Tensor]:
    """The images below ``root/split``, class by class, in sorted order, except hidden files and folders.

    Returns:
        Their names below ``root`` as bytes (N,), and the numbers that their classes have in ``classes``, int64 (N,).

    Raises:
        UserError: a class has no image.
    """
    folder = root / split
    numbers = {name: number for number, name in enumerate(classes)}
    shown = partial(_is_shown_image, start=len(str(folder)))
    found = make_dataset(str(folder), numbers, is_valid_file=shown, allow_empty=True)
    labels = torch.tensor([number for _, number in found], dtype=torch.int64)
    empty = [str(folder / classes[i]) for i, n in enumerate(labels.bincount(minlength=len(classes)).tolist()) if not n]
    if empty:
        more = f" and {len(empty) - 1} others" if len(empty) > 1 else ""
        raise UserError(
            f"{empty[0]}{more} holds no image ({', '.join(IMG_EXTENSIONS)}); put images into it, or move it elsewhere "
            "if it is no class"
        )
    return np.array([os.fsencode(os.path.relpath(path, root)) for path, _ in found]), labels


def _is_shown_image(path: str, start: int) -> bool:
    return has_file_allowed_extension(path, IMG_EXTENSIONS) and f"{os.sep}." not in path[start:]
