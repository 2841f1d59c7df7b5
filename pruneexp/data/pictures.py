"""Picture files of any size and mode as squares of one size, and what each of them holds. Knows no classes."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from PIL import ImageOps
from torch import Tensor
from torchvision.transforms import functional as transform

from pruneexp import places
from pruneexp.data import fetch
from pruneexp.data.digests import DIGEST, file_digests
from pruneexp.data.image_file import Colour, read_rgb
from pruneexp.data.normalisation import Normalisation
from pruneexp.errors import UserError

_SUMS = np.dtype("<i8")
_DARKEST = 1 / 255  # the least deviation: that of a channel which is the same everywhere would be 0


@dataclass(frozen=True)
class Square:
    """How a picture becomes pixels: turned as EXIF says, its shorter side resized to ``size``, the middle cut out.

    What is transparent shows ``background``.
    """

    size: int
    background: Colour

    def pixels(self, path: Path) -> Tensor:
        """uint8 (3, size, size).

        Raises:
            UserError: the file cannot be read, or is damaged.
        """
        with fetch.reading(path, "replace or delete it"):
            picture = ImageOps.exif_transpose(read_rgb(path, self.background))
            resized = transform.resize(picture, [self.size])
            found: Tensor = transform.pil_to_tensor(transform.center_crop(resized, [self.size]))
        return found


@dataclass(frozen=True)
class _Survey:
    """A ``digests.FileReader``: the digest of a file, whether it is a picture, and sums over its pixels and squares."""

    square: Square
    width: int = DIGEST + 1 + 6 * _SUMS.itemsize
    at_once: int = 8  # decoding takes long: after Ctrl-C, each thread ends its own

    def __call__(self, path: Path) -> bytes:
        try:
            with fetch.reading(path, "replace or delete it"):
                digest = hashlib.sha256(path.read_bytes()).digest()
            pixels = self.square.pixels(path).flatten(1).to(torch.int64)
        except UserError:
            return bytes(self.width)
        sums = torch.cat([pixels.sum(1), pixels.square().sum(1)]).numpy()
        return digest + b"\1" + sums.astype(_SUMS).tobytes()


class Surveyed(NamedTuple):
    """Of each file its digest, uint8 (N, 32), whether it can be read, (N,), and sums of the channels, int64 (N, 6)."""

    digests: NDArray[np.uint8]
    readable: NDArray[np.bool_]
    sums: NDArray[np.int64]

    def take(self, chosen: NDArray[Any]) -> Surveyed:
        return Surveyed(self.digests[chosen], self.readable[chosen], self.sums[chosen])

    def normalisation(self, square: Square) -> Normalisation:
        """Mean and deviation of each channel over all of these pictures, to four digits."""
        count = len(self.sums) * square.size**2
        total = [int(value) for value in self.sums.sum(0)]
        mean = [value / count / 255 for value in total[:3]]
        variance = [value / count / 255**2 - middle**2 for value, middle in zip(total[3:], mean, strict=True)]
        std = [max(value, _DARKEST**2) ** 0.5 for value in variance]
        return Normalisation(tuple(round(m, 4) for m in mean), tuple(round(s, 4) for s in std))


def surveyed(root: Path, files: NDArray[Any], square: Square) -> Surveyed:
    """Read every picture once; later calls read those that have changed. ``files`` are names below ``root``.

    Raises:
        UserError: a file is not there any more.
    """
    with fetch.reading(root, "mend the folder"):
        memory = places.digests(root)
    how = hashlib.sha256(f"{square} {PIL.__version__}".encode()).hexdigest()[:8]
    rows = file_digests(root, files, memory.with_stem(f"{memory.stem}-{how}"), _Survey(square))
    sums = np.ascontiguousarray(rows[:, DIGEST + 1 :]).view(_SUMS)
    return Surveyed(rows[:, :DIGEST], rows[:, DIGEST] == 1, sums)


@dataclass(frozen=True)
class Pictures:
    """Picture files below ``root``, in order; a ``streamed.Reader`` of them. ``content`` stands for what they hold."""

    root: Path
    square: Square
    content: str
    files: NDArray[Any] = field(compare=False, repr=False)

    def path(self, index: int) -> Path:
        return self.root / os.fsdecode(bytes(self.files[index]))

    def __call__(self, index: int, seed: int | None) -> Tensor:
        return self.square.pixels(self.path(index))


@lru_cache(maxsize=3)  # a data set: the jobs of a sweep that one process runs decode its pictures once
def in_memory(pictures: Pictures) -> Tensor:
    """All of the pictures, uint8 (N, 3, size, size), decoded in one thread for each core.

    Raises:
        UserError: one cannot be read.
    """
    size = pictures.square.size
    found = torch.empty(len(pictures.files), 3, size, size, dtype=torch.uint8)

    def decode(index: int) -> None:
        found[index] = pictures(index, None)

    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for _ in pool.map(decode, range(len(found))):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    return found
