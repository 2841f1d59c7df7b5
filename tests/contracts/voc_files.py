"""Generated files in the layout of PASCAL VOC."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torchvision.transforms.functional import to_pil_image

from pruneexp.data.boxes import BoxedSource
from pruneexp.data.shapes import CLASSES, shapes

#: An object as its file has it: name, xmin, ymin, xmax, ymax, difficult.
Row = tuple[str, int, int, int, int, int]
WIDTH, HEIGHT = 80, 40


def annotation(objects: Sequence[Row], width: int = WIDTH, height: int = HEIGHT) -> str:
    texts = [
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for name, left, top, right, bottom, difficult in objects
    ]
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>{size}{''.join(texts)}</annotation>"


def write(folder: Path, objects: Sequence[Sequence[Row]], test: int = 1) -> Path:
    """A folder in VOC's layout; the last ``test`` pictures are test, the others trainval. Each is of one colour."""
    colours = [Image.new("RGB", (WIDTH, HEIGHT), (20 * number, 100, 30)) for number in range(len(objects))]
    return _write(folder, colours, objects, test)


def write_shapes(folder: Path, trainval: int, test: int) -> Path:
    """Discs, squares and triangles of ``data=shapes``, so many of each split, as files of 64 px in VOC's layout."""
    drawn = shapes(train=trainval, val=1, test=test)
    pictures, objects = list[Image.Image](), list[list[Row]]()
    for source in (drawn.train, drawn.test):
        assert isinstance(source, BoxedSource)
        for images, targets in source.batches(1, torch.device("cpu")):
            pictures.append(to_pil_image(images[0] * 0.2 + 0.4))
            rows = [[int(value) for value in row] for row in targets[0].tolist() if row[4] >= 0]
            objects.append([(CLASSES[kind], x1 + 1, y1 + 1, x2, y2, hard) for x1, y1, x2, y2, kind, hard in rows])
    return _write(folder, pictures, objects, test)


def _write(folder: Path, pictures: Sequence[Image.Image], objects: Sequence[Sequence[Row]], test: int) -> Path:
    for each in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / each).mkdir(parents=True)
    names = [f"{number:06}" for number in range(len(objects))]
    for name, picture, rows in zip(names, pictures, objects, strict=True):
        picture.save(folder / f"JPEGImages/{name}.jpg", quality=100)
        (folder / f"Annotations/{name}.xml").write_text(annotation(rows, *picture.size))
    lists = {"trainval": names[:-test], "test": names[-test:]}
    for split, part in lists.items():
        (folder / f"ImageSets/Main/{split}.txt").write_text("".join(f"{name}\n" for name in part))
    return folder
