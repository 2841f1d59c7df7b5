"""PASCAL VOC in its own layout: pictures, an XML file for each with its objects, and lists of the pictures of a split.

Boxes of the files name pixels from 1 on, the last included; here they are edges in px, so that a box of one pixel has
an area of 1, as it has in VOC's own evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import functional as transform

from pruneexp.data import fetch
from pruneexp.data.boxes import COLUMNS, BoxedSource, padded
from pruneexp.data.dataset import Dataset, Source
from pruneexp.data.fingerprint import fingerprint
from pruneexp.data.image_file import read_rgb
from pruneexp.data.normalisation import Normalisation
from pruneexp.data.pictures import Pictures, Square, in_memory, surveyed
from pruneexp.data.resident import ResidentSource
from pruneexp.data.split import stratified_split
from pruneexp.data.streamed import StreamedSource
from pruneexp.errors import UserError

#: The classes of VOC 2007 and later, in the order of its development kit.
CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
_NORMALISATION = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # those of torchvision's ImageNet weights
_GREY = (124, 116, 104)  # their mean, beside a picture that is no square
_REMEDY = "mend or replace it"


@dataclass(frozen=True)
class _Letterbox(Square):
    """The longer side resized to ``size``, the rest of the square filled at the right, or below."""

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a picture inside of the square."""
        longer = max(width, height)
        return max(1, round(width * self.size / longer)), max(1, round(height * self.size / longer))

    def pixels(self, path: Path) -> Tensor:
        with fetch.reading(path, _REMEDY):
            picture = read_rgb(path, self.background)
            width, height = self.fitted(*picture.size)
            resized = transform.pil_to_tensor(transform.resize(picture, [height, width]))
        found = torch.tensor(self.background, dtype=torch.uint8).view(3, 1, 1).repeat(1, self.size, self.size)
        found[:, :height, :width] = resized
        return found


def voc(
    root: str,
    size: int = 512,
    val_images: int = 500,
    classes: Sequence[str] = CLASSES,
    memory_gib: float = 4.0,
    workers: int = 4,
    name: str = "voc2007",
) -> Dataset:
    """The pictures of ``trainval`` and ``test`` in a folder such as ``VOCdevkit/VOC2007``, as squares.

    Of ``trainval`` some are held out as val; the split is the same for every seed. Augmentation mirrors every second
    picture. Objects that are difficult are in the targets, for the task to heed.

    Args:
        root: the folder with ``JPEGImages``, ``Annotations`` and ``ImageSets/Main``.
        size: side of the squares, px: the longer side of a picture is resized to it.
        val_images: pictures that are held out.
        classes: names of the classes.
        memory_gib: most GiB of pixels that are kept in memory; more are streamed from the disk. Changes no number.
        workers: processes that read streamed pictures; changes no number.
        name: what records call the data set.

    Raises:
        UserError: a file is missing or broken, a class unknown, or ``val_images`` leaves nothing to train on.
        ValueError: ``size`` is below 32.
    """
    if size < 32:
        raise ValueError(f"size is {size}; 32 or more is allowed")
    folder, square = Path(root).expanduser(), _Letterbox(size, _GREY)
    names = _split(folder, val_images)
    every = [each for part in names.values() for each in part]
    objects = [_objects(folder / f"Annotations/{each}.xml", classes, square) for each in every]
    files = np.array([f"JPEGImages/{each}.jpg".encode() for each in every])
    facts = surveyed(folder, files, square)
    for broken in np.flatnonzero(~facts.readable)[:1]:
        square.pixels(folder / f"JPEGImages/{every[broken]}.jpg")  # says what is wrong with it
    targets = padded(objects, max(1, *map(len, objects)))
    resident = len(files) * 3 * size**2 <= memory_gib * 2**30
    sources, start = {}, 0
    for split, part in names.items():
        own = np.arange(start, start := start + len(part))
        pictures = Pictures(folder, square, facts.digests[own].tobytes().hex(), files[own])
        images = _images(pictures, None if resident else workers)
        sources[split] = BoxedSource(images, targets[own], mirrors=split == "train")
    arrays: dict[str, NDArray[np.generic]] = {"files": files, "digests": facts.digests, "targets": targets.numpy()}
    about = {"splits": {split: len(part) for split, part in names.items()}, "square": repr(square)}
    about |= {"classes": list(classes), "normalisation": repr(_NORMALISATION)}
    return Dataset(name, len(classes), (3, size, size), **sources, fingerprint=fingerprint(about, arrays))


def _images(pictures: Pictures, workers: int | None) -> Source:
    numbers = torch.arange(len(pictures.files))
    if workers is None:
        return ResidentSource(in_memory(pictures), numbers, _NORMALISATION)
    return StreamedSource(pictures, numbers, _NORMALISATION, workers)


def _split(root: Path, val_images: int) -> dict[str, list[str]]:
    """The names of the pictures of train, val and test."""
    if not (root / "ImageSets/Main").is_dir():
        raise UserError(f"{root} has no folder ImageSets/Main; data.root=FOLDER names a folder in VOC's layout")
    pool, test = (_listed(root / f"ImageSets/Main/{split}.txt") for split in ("trainval", "test"))
    if both := sorted({*pool} & {*test}):
        raise UserError(f"{root / 'ImageSets/Main'}: {both[0]} is both in trainval.txt and in test.txt")
    if not 1 <= val_images < len(pool):
        raise UserError(
            f"data.val_images is {val_images}; the {len(pool)} pictures of trainval allow 1 to {len(pool) - 1}"
        )
    stay, val = stratified_split(torch.zeros(len(pool), dtype=torch.int64), [val_images])
    return {"train": [pool[each] for each in stay], "val": [pool[each] for each in val], "test": test}


def _listed(path: Path) -> list[str]:
    with fetch.reading(path, _REMEDY):
        found = list(dict.fromkeys(line.split()[0] for line in path.read_text("utf-8").splitlines() if line.strip()))
    if not found:
        raise UserError(f"{path} names no picture")
    return found


def _objects(path: Path, classes: Sequence[str], square: _Letterbox) -> Tensor:
    """The objects of a picture, (n, 6), in px of its square."""
    with fetch.reading(path, _REMEDY):
        tree = ET.parse(path).getroot()
        width, height = (int(_text(tree, f"size/{side}")) for side in ("width", "height"))
        if min(width, height) < 1:
            raise ValueError(f"a picture of {width} x {height} px")
        rows = list(_rows(tree, path, classes, (width, height)))
    inside = square.fitted(width, height)
    scale = torch.tensor([inside[0] / width, inside[1] / height] * 2 + [1.0, 1.0])
    return torch.tensor(rows, dtype=torch.float32).view(-1, COLUMNS) * scale


def _rows(tree: ET.Element, path: Path, classes: Sequence[str], side: tuple[int, int]) -> Iterator[tuple[float, ...]]:
    for each in tree.findall("object"):
        kind = _text(each, "name").strip()
        if kind not in classes:
            raise UserError(f"{path} has an object '{kind}', and data.classes are {', '.join(classes)}")
        left, top, right, bottom = (float(_text(each, f"bndbox/{edge}")) for edge in ("xmin", "ymin", "xmax", "ymax"))
        box = (max(left - 1, 0.0), max(top - 1, 0.0), min(right, side[0]), min(bottom, side[1]))
        if not (box[0] < box[2] and box[1] < box[3]):
            raise ValueError(f"the box of an object '{kind}' has no area inside of {side[0]} x {side[1]} px")
        yield (*box, classes.index(kind), float(each.findtext("difficult", "0") or 0))


def _text(node: ET.Element, path: str) -> str:
    found = node.findtext(path)
    if found is None:
        raise ValueError(f"no {path} in <{node.tag}>")
    return found
