"""Images that do not fit in memory: worker processes read them, the device normalises them. Knows no files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pruneexp.data.augment import Augmentation
from pruneexp.data.dataset import visiting_order
from pruneexp.data.normalisation import Normalisation
from pruneexp.errors import UserError

_SEEDS = 2**62


class Reader(Protocol):
    """Reads one image; must be picklable, because worker processes call it."""

    def __call__(self, index: int, seed: int | None) -> Tensor:
        """Return image ``index`` as uint8 (C, H, W), augmented by randomness from ``seed`` unless that is ``None``.

        Raises:
            UserError: the image cannot be read.
        """
        ...


@dataclass(frozen=True)
class _Unreadable:
    """The message of a worker's error; an exception would arrive with the worker's traceback as its message."""

    sentence: str


@dataclass(frozen=True, eq=False)
class _Requests(Dataset[Tensor | _Unreadable]):
    read: Reader

    def __getitem__(self, request: tuple[int, int | None]) -> Tensor | _Unreadable:
        try:
            return self.read(*request)
        except UserError as error:
            return _Unreadable(str(error))


@dataclass(frozen=True, eq=False)
class StreamedSource:
    """A ``Source`` over images that ``read`` reads one by one, in ``workers`` processes (0: in this one).

    With an ``augmentation``, the device augments whole batches, as a ``ResidentSource`` does, and the readers get no
    seeds. Without one, each visit to an image has a seed of its own, drawn from the ``augment`` generator. Either way
    the number of workers changes no number.

    Raises:
        ValueError: ``workers`` is below 0.
    """

    read: Reader
    labels: Tensor
    normalisation: Normalisation
    workers: int = 0
    augmentation: Augmentation | None = None

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ValueError(f"workers is {self.workers}; 0 or more is allowed")

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self,
        batch_size: int,
        device: torch.device,
        *,
        order: Tensor | None = None,
        augment: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As ``Source.batches``. With ``augment``, the host waits for the device once, at the start.

        Raises:
            ValueError: as ``Source.batches``.
            UserError: an image cannot be read; raised at its batch.
        """
        indices = visiting_order(order, batch_size, len(self))
        return self._stream(indices, batch_size, device, augment)

    def _stream(
        self, indices: Tensor, batch_size: int, device: torch.device, augment: torch.Generator | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        if len(indices) == 0:
            return
        seeded = augment if self.augmentation is None else None
        seeds = None if seeded is None else _seeds_ahead(len(indices), batch_size, seeded)
        pinned = device.type == "cuda"
        loader = DataLoader(
            _Requests(self.read),
            batch_sampler=_requests(indices, seeds, batch_size),
            num_workers=self.workers,
            collate_fn=_stack,
            pin_memory=pinned,
            generator=torch.Generator(),  # without one, the loader draws from the global generator
        )
        normalise = self.normalisation.on(device)
        labels = torch.split(self.labels.index_select(0, indices).to(device), batch_size)
        for images, classes in zip(loader, labels, strict=True):
            if isinstance(images, _Unreadable):
                raise UserError(images.sentence)
            if seeded is not None:
                _draw(len(classes), seeded)  # the caller's generator follows the batches, not the workers
            batch = normalise(images.to(device, non_blocking=pinned))
            if augment is not None and self.augmentation is not None:
                batch = self.augmentation(batch, augment)
            yield batch, classes


def _draw(count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(_SEEDS, (count,), generator=generator, device=generator.device)


def _seeds_ahead(count: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """The seeds of every image to come, batch by batch, without advancing ``generator``."""
    ahead = torch.Generator(generator.device)
    ahead.set_state(generator.get_state())
    sizes = [min(batch_size, count - start) for start in range(0, count, batch_size)]
    return torch.cat([_draw(size, ahead) for size in sizes]).cpu()


def _requests(indices: Tensor, seeds: Tensor | None, batch_size: int) -> Iterator[list[tuple[int, int | None]]]:
    for start in range(0, len(indices), batch_size):
        chosen = indices[start : start + batch_size].tolist()
        drawn = [None] * len(chosen) if seeds is None else seeds[start : start + batch_size].tolist()
        yield list(zip(chosen, drawn, strict=True))


def _stack(items: list[Tensor | _Unreadable]) -> Tensor | _Unreadable:
    tensors: list[Tensor] = []
    for item in items:
        if isinstance(item, _Unreadable):
            return item
        tensors.append(item)
    return torch.stack(tensors)
