"""Made-up detections, good and bad, of made-up objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

KINDS = 3
_IMAGES, _ROWS, _COLUMNS = 6, 3, 4
_Box = tuple[int, int, int, int]


def scene(seed: int, *, apart: int = 40, difficult: float = 0.0) -> tuple[Tensor, Tensor]:
    """Detections (6, D, 6) and objects (6, N, 6) as the task has them; each detection was moved off one place.

    Places are so many px ``apart``: 40 keep all that belongs to one off every other. Edges are whole px, so that
    overlaps are exact, of a half too; scores are few, so that many are equal. What detects a difficult object, of
    which there is this share, contains it.
    """
    random = np.random.default_rng(seed)
    images = [_image(random, apart, difficult) for _ in range(_IMAGES)]
    found, objects = zip(*images, strict=True)
    return _together(found), _together(objects)


def _image(random: np.random.Generator, apart: int, difficult: float) -> tuple[list[Sequence[float]], ...]:
    found, objects = list[Sequence[float]](), list[Sequence[float]]()
    for place in np.ndindex(_ROWS, _COLUMNS):
        top, left = (apart * each + int(random.integers(8, 13)) for each in place)
        box = (left, top, left + int(random.integers(8, 21)), top + int(random.integers(8, 21)))
        kind, hard, there = int(random.integers(KINDS)), random.random() < difficult, random.random() < 0.75
        if there:
            objects.append((*box, kind, hard))
        for _ in range(int(random.integers(3))):
            seen = kind if random.random() < 0.85 else int(random.integers(KINDS))
            found.append((*_moved(box, hard, random), random.integers(20) / 20, seen))
    return found, objects


def _moved(box: _Box, hard: bool, random: np.random.Generator) -> _Box:
    across, down = (int(each) for each in random.integers(-6, 7, 2))
    if hard:
        return box[0], box[1], box[2] + abs(across), box[3] + abs(down)
    return box[0] + across, box[1] + down, box[2] + across, box[3] + down


def _together(images: Sequence[Sequence[Sequence[float]]]) -> Tensor:
    most = max(map(len, images))
    rows = [torch.tensor(each, dtype=torch.float32).view(-1, 6) for each in images]
    return torch.stack([pad(each, (0, 0, 0, most - len(each)), value=-1.0) for each in rows])
