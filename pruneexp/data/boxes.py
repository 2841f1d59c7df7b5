"""Images with the boxes of their objects as targets; knows no files and no family.

A target is float32 (N, 6): x1, y1, x2, y2 in px, class, whether difficult; rows after the last object hold -1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from pruneexp.data.dataset import Source

COLUMNS = 6
NONE = -1.0


def padded(objects: Sequence[Tensor], rows: int) -> Tensor:
    """The objects (n, 6) of each image as one tensor (images, rows, 6)."""
    return torch.stack([pad(each, (0, 0, 0, rows - len(each)), value=NONE) for each in objects])


def mirrored(images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) and their targets (B, N, 6) with left and right exchanged."""
    flipped, width = targets.clone(), images.shape[-1]
    flipped[..., 0], flipped[..., 2] = width - targets[..., 2], width - targets[..., 0]
    return images.flip(-1), torch.where(targets[..., 4:5] >= 0, flipped, targets)


@dataclass(frozen=True, eq=False)
class BoxedSource:
    """A ``Source`` over the images of another, whose targets are their numbers; ``targets`` (N, M, 6) take the place.

    Where it ``mirrors``, augmentation exchanges left and right in every second image.
    """

    images: Source
    targets: Tensor
    mirrors: bool = False

    def __len__(self) -> int:
        return len(self.targets)

    def batches(
        self,
        batch_size: int,
        device: torch.device,
        *,
        order: Tensor | None = None,
        augment: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As ``Source.batches``."""
        return self._boxed(self.images.batches(batch_size, device, order=order), device, augment)

    def _boxed(
        self, batches: Iterator[tuple[Tensor, Tensor]], device: torch.device, augment: torch.Generator | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        objects = self.targets.to(device)
        for images, numbers in batches:
            targets = objects.index_select(0, numbers)
            if augment is None or not self.mirrors:
                yield images, targets
                continue
            chosen = torch.rand(len(images), generator=augment, device=device).view(-1, 1, 1) < 0.5
            other, moved = mirrored(images, targets)
            yield torch.where(chosen[..., None], other, images), torch.where(chosen, moved, targets)
