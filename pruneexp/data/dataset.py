"""The definition of a data set: three splits and a fingerprint. Knows no files, no families and no tasks.

A data set of another origin is any callable that returns a ``Dataset`` whose splits satisfy ``Source``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Source(Protocol):
    """Examples, which callers can visit in any order and any number of times.

    What a task needs beyond them, such as the ``labels`` of images, a source has for that task to check.
    """

    def __len__(self) -> int:
        """Number of examples N."""
        ...

    def batches(
        self,
        batch_size: int,
        device: torch.device,
        *,
        order: Tensor | None = None,
        augment: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield ``(inputs, targets)``, both on ``device``, the examples along their first dimension.

        Of images, these are normalised float32 (B, C, H, W) and classes, int64 (B,); of text, windows of tokens and the
        tokens that follow, int64 (B, T) each. A batch belongs to the caller, who may change it in place. The last one
        may be smaller.

        Args:
            batch_size: examples per batch, at least 1.
            device: the device of the batches.
            order: int64 indices to visit, on the CPU, in [0, N); ``None`` visits all of them from first to last.
            augment: generator for augmentation, on ``device``; ``None`` gives the examples as they are. A source draws
                from it once per batch, just before it yields the batch: after a caller restores the state of after
                batch k, the rest of the order gives batches k+1, ... again. A source draws from no other generator.

        Raises:
            ValueError: ``batch_size`` or ``order`` is out of range; the call raises it, before the first batch.
        """
        ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three disjoint splits of one origin. Selection uses ``val``; ``test`` is for reports alone.

    ``shape`` is that of one input: (C, H, W) of an image, (T,) of a window of text. ``classes`` is how many values a
    target may have: classes of images, tokens of an alphabet; None for targets that are no such choice. ``fingerprint``
    is a sha256 hex digest that changes with anything that could change a number in a batch: it covers inputs, targets,
    membership and order of the splits, and preprocessing. Whether the data fit what is learned, the task checks.
    """

    name: str
    classes: int | None
    shape: tuple[int, ...]
    train: Source
    val: Source
    test: Source
    fingerprint: str


def visiting_order(order: Tensor | None, batch_size: int, length: int) -> Tensor:
    """Check the arguments of ``Source.batches`` for a source of ``length`` examples; return the indices to visit.

    Raises:
        ValueError: as ``Source.batches`` promises.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; 1 or more is allowed")
    if order is None:
        return torch.arange(length)
    if order.dtype != torch.int64 or order.ndim != 1 or order.device.type != "cpu":
        raise ValueError(
            f"order is {order.dtype} of shape {tuple(order.shape)} on {order.device}; int64 (n,) on the CPU is allowed"
        )
    if len(order) and (int(order.min()) < 0 or int(order.max()) >= length):
        raise ValueError(
            f"order visits {int(order.min())} to {int(order.max())}; {length} examples allow 0 to {length - 1}"
        )
    return order
