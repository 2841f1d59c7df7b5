"""Generated files in the layout of PASCAL VOC."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

#: An object as its file has it: name, xmin, ymin, xmax, ymax, difficult.
Row = tuple[str, int, int, int, int, int]
WIDTH, HEIGHT = 80, 40


def annotation(objects: Sequence[Row]) -> str:
    texts = [
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for name, left, top, right, bottom, difficult in objects
    ]
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    return f"<annotation>{size}{''.join(texts)}</annotation>"


def write(folder: Path, objects: Sequence[Sequence[Row]], test: int = 1) -> Path:
    """A folder in VOC's layout; the last ``test`` pictures are test, the others trainval. Each is of one colour."""
    for each in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / each).mkdir(parents=True)
    names = [f"{number:06}" for number in range(len(objects))]
    for number, (name, rows) in enumerate(zip(names, objects, strict=True)):
        Image.new("RGB", (WIDTH, HEIGHT), (20 * number, 100, 30)).save(folder / f"JPEGImages/{name}.jpg", quality=100)
        (folder / f"Annotations/{name}.xml").write_text(annotation(rows))
    lists = {"trainval": names[:-test], "test": names[-test:]}
    for split, part in lists.items():
        (folder / f"ImageSets/Main/{split}.txt").write_text("".join(f"{name}\n" for name in part))
    return folder
