"""Pictures of one's own, one folder per class: below ``root``, or below its folders ``train``, ``val``, ``test``."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ImageColor
from torch import Tensor

from pruneexp.data.augment import CropAndFlip
from pruneexp.data.class_folders import class_names, labelled_files
from pruneexp.data.dataset import Dataset, Source
from pruneexp.data.fingerprint import fingerprint
from pruneexp.data.pictures import Pictures, Square, Surveyed, in_memory, surveyed
from pruneexp.data.resident import ResidentSource
from pruneexp.data.split import stratified_split
from pruneexp.data.streamed import StreamedSource
from pruneexp.errors import UserError

#: What folders of a split are called.
_CALLED = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
_NAMED = 3  # files that a sentence names
_PREPROCESSING = "exif, resize shorter side, center crop"


class _Listed(NamedTuple):
    """The names of picture files below the root, bytes (N,), their classes, int64 (N,), and what they hold."""

    files: NDArray[Any]
    labels: Tensor
    facts: Surveyed

    def take(self, chosen: Tensor) -> _Listed:
        return _Listed(self.files[chosen.numpy()], self.labels[chosen], self.facts.take(chosen.numpy()))

    def pictures(self, root: Path, square: Square) -> Pictures:
        content = hashlib.sha256(self.facts.digests.tobytes() + self.files.tobytes()).hexdigest()
        return Pictures(root, square, content, self.files)


def image_folder(
    root: str,
    size: int = 224,
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    background: str = "white",
    skip_broken: bool = False,
    memory_gib: float = 4.0,
    workers: int = 4,
    name: str | None = None,
) -> Dataset:
    """Pictures of any size and mode as RGB squares, normalised by mean and deviation of ``train``.

    A folder ``val`` (or ``valid``, ``validation``) or ``test`` that is not there is held out of ``train``, or of all
    pictures where there is no ``train`` either: stratified, by ``seed``. The first load reads each file, and later ones
    those that changed. Augmentation pads by an eighth, crops back at a random place and mirrors every second picture.

    Args:
        root: the folder.
        size: side of the pictures, px: the shorter side is resized to it, and the middle cut out.
        val: share that is held out where there is no such folder.
        test: likewise.
        seed: of the split.
        background: what is seen through transparent pictures, a colour such as ``white`` or ``#808080``.
        skip_broken: leave out files that cannot be read, and say so, instead of refusing them.
        memory_gib: most GiB of pixels that are kept in memory; more are streamed from the disk. Changes no number.
        workers: processes that read streamed pictures; changes no number.
        name: what records call the data set.

    Raises:
        UserError: folders are missing, empty or disagree, or a file cannot be read.
        ValueError: a number is out of range, or ``background`` no colour.
    """
    _check(size, val, test, seed)
    folder, square = Path(root).expanduser(), Square(size, ImageColor.getrgb(background)[:3])
    classes, given = _given(folder, square, skip_broken)
    parts = _three(given, {"val": val, "test": test}, seed)
    resident = sum(len(part.files) for part in parts.values()) * 3 * size**2 <= memory_gib * 2**30
    return _dataset(folder, square, classes, parts, None if resident else workers)


def _dataset(root: Path, square: Square, classes: list[str], parts: dict[str, _Listed], workers: int | None) -> Dataset:
    """The data set of these splits: streamed by so many ``workers``, in memory where that is None."""
    normalisation = parts["train"].facts.normalisation(square)
    augmentation = CropAndFlip(max(1, square.size // 8), normalisation.black)

    def source(split: str) -> Source:
        part, extra = parts[split], augmentation if split == "train" else None
        pictures = part.pictures(root, square)
        if workers is None:
            return ResidentSource(in_memory(pictures), part.labels, normalisation, extra)
        return StreamedSource(pictures, part.labels, normalisation, workers, extra)

    facts = {"classes": classes, "square": repr(square), "normalisation": repr(normalisation)}
    return Dataset(
        name="image_folder",
        classes=len(classes),
        shape=(3, square.size, square.size),
        train=source("train"),
        val=source("val"),
        test=source("test"),
        fingerprint=_fingerprint(parts, facts | {"augmentation": repr(augmentation)}),
    )


def _check(size: int, val: float, test: float, seed: int) -> None:
    if size < 1 or seed < 0:
        raise ValueError(f"size is {size} and seed is {seed}; 1 or more, and 0 or more, are allowed")
    if not (0 < val < 1 and 0 < test < 1 and val + test < 1):
        raise ValueError(f"val is {val} and test is {test}; shares above 0, together below 1, are allowed")


def _given(root: Path, square: Square, skip_broken: bool) -> tuple[list[str], dict[str, _Listed]]:
    """The classes, and the pictures of each folder of a split; those below ``root`` itself where there is no train."""
    found = {split: _folder_of(root, split) for split in _CALLED}
    folders = {split: name for split, name in found.items() if name} or {"train": "."}
    if "train" not in folders:
        raise UserError(f"data.root={root} has folders of classes in {', '.join(folders.values())}, but none in train")
    try:
        names = {split: class_names(root / folder) for split, folder in folders.items()}
    except UserError as error:
        raise UserError(f"{error}; data.root=FOLDER names the folder of your pictures") from error
    classes = names["train"]
    for split, others in names.items():
        if odd := sorted({*classes} ^ {*others}):
            here, there = root / folders["train"], root / folders[split]
            raise UserError(
                f"{here} and {there} must hold the same folders of classes; only one has {', '.join(odd[:5])}"
            )
    listed = {split: labelled_files(root, folder, classes) for split, folder in folders.items()}
    files = np.concatenate([files for files, _ in listed.values()])
    facts = surveyed(root, files, square)
    _tell_broken(root, files[~facts.readable], square, skip_broken)
    given, start = {}, 0
    for split, (names_of, labels) in listed.items():
        part = _Listed(names_of, labels, facts.take(np.arange(start, start := start + len(names_of))))
        given[split] = part.take(torch.from_numpy(np.flatnonzero(part.facts.readable)))
        if missing := set(range(len(classes))) - set(given[split].labels.tolist()):
            raise UserError(f"{root / folders[split] / classes[min(missing)]} holds no picture that can be read")
    return classes, given


def _folder_of(root: Path, split: str) -> str | None:
    """The folder of a split: one of its names, with folders in it. A class may be called train, too."""
    for name in _CALLED[split]:
        try:
            class_names(root / name)
        except UserError:
            continue
        return name
    return None


def _tell_broken(root: Path, files: NDArray[Any], square: Square, skip: bool) -> None:
    if len(files) == 0:
        return
    pictures = Pictures(root, square, "", files)
    named = ", ".join(str(pictures.path(index)) for index in range(min(_NAMED, len(files))))
    named += f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
    many = "1 file cannot be read" if len(files) == 1 else f"{len(files)} files cannot be read"
    if skip:
        print(f"pruneexp: {many} as a picture and left out: {named}", file=sys.stderr, flush=True)
        return
    try:
        pictures(0, None)
        why = ""
    except UserError as error:
        why = f" ({error})"
    raise UserError(f"{many} as a picture: {named}{why}; data.skip_broken=true leaves them out")


def _three(given: dict[str, _Listed], shares: dict[str, float], seed: int) -> dict[str, _Listed]:
    """Train, val and test; what was not given is held out of train."""
    wanted = [split for split in shares if split not in given]
    pool = given["train"]
    if not wanted:
        return given
    sizes = [max(1, round(shares[split] * len(pool.labels))) for split in wanted]
    if sum(sizes) >= len(pool.labels):
        raise UserError(f"{len(pool.labels)} is too few pictures to hold {' and '.join(wanted)} out of them")
    stay, *held = (pool.take(part) for part in stratified_split(pool.labels, sizes, seed=seed))
    return {**given, "train": stay, **dict(zip(wanted, held, strict=True))}


def _fingerprint(parts: dict[str, _Listed], facts: dict[str, Any]) -> str:
    """The fingerprint, from file names, digests of the files and labels of each split."""
    arrays: dict[str, NDArray[Any]] = {}
    for split, part in parts.items():
        arrays[f"{split}.files"] = part.files
        arrays[f"{split}.digests"] = part.facts.digests
        arrays[f"{split}.labels"] = part.labels.numpy()
    return fingerprint(facts | {"preprocessing": _PREPROCESSING}, arrays)
