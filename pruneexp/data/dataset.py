"""The definition of a data set: three labelled splits and a fingerprint. Knows no files and no families.

A data set of another origin is any callable that returns a ``Dataset`` whose splits satisfy ``Source``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pruneexp.errors import UserError


class Source(Protocol):
    """Labelled images, which callers can visit in any order and any number of times."""

    @property
    def labels(self) -> Tensor:
        """Classes of the images: int64 (N,), on the CPU."""
        ...

    def __len__(self) -> int:
        """Number of images N."""
        ...

    def batches(
        self,
        batch_size: int,
        device: torch.device,
        *,
        order: Tensor | None = None,
        augment: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield ``(images, labels)``: normalised float32 (B, C, H, W) and int64 (B,), both on ``device``.

        A batch belongs to the caller, who may change it in place. The last one may be smaller.

        Args:
            batch_size: images per batch, at least 1.
            device: the device of the batches.
            order: int64 indices to visit, on the CPU, in [0, N); ``None`` visits all of them from first to last.
            augment: generator for augmentation, on ``device``; ``None`` gives the images as they are. A source draws
                from it once per batch, just before it yields the batch: after a caller restores the state of after
                batch k, the rest of the order gives batches k+1, ... again. A source draws from no other generator.

        Raises:
            ValueError: ``batch_size`` or ``order`` is out of range; the call raises it, before the first batch.
        """
        ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three disjoint splits of one origin. Selection uses ``val``; ``test`` is for reports alone.

    ``shape`` is (C, H, W) of one image. ``fingerprint`` is a sha256 hex digest that changes with anything that could
    change a number in a batch: it covers images, labels, membership and order of the splits, and preprocessing.

    Raises:
        UserError: a split is empty, a label is out of range, or there are fewer than two classes.
    """

    name: str
    classes: int
    shape: tuple[int, int, int]
    train: Source
    val: Source
    test: Source
    fingerprint: str

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise UserError(f"data set '{self.name}' has {self.classes} class; a classifier needs 2 or more")
        for split, source in (("train", self.train), ("val", self.val), ("test", self.test)):
            _check_labels(source, self.classes, f"the {split} split of data set '{self.name}'")
        first = int(self.train.labels[0])
        if bool((self.train.labels == first).all()):
            raise UserError(
                f"the train split of data set '{self.name}' holds images of one class only (class {first} of "
                f"{self.classes}); a classifier needs 2 or more"
            )


def _check_labels(source: Source, classes: int, where: str) -> None:
    labels = source.labels
    if labels.dtype != torch.int64 or labels.shape != (len(source),):
        raise UserError(
            f"{where} has {labels.dtype} labels of shape {tuple(labels.shape)}; int64 ({len(source)},) is needed"
        )
    if len(source) == 0:
        raise UserError(f"{where} is empty; it needs at least one image")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise UserError(f"{where} has labels from {low} to {high}; {classes} classes allow 0 to {classes - 1}")


def visiting_order(order: Tensor | None, batch_size: int, length: int) -> Tensor:
    """Check the arguments of ``Source.batches`` for a source of ``length`` images; return the indices to visit.

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
            f"order visits {int(order.min())} to {int(order.max())}; {length} images allow 0 to {length - 1}"
        )
    return order
