"""Images that fit in memory: they move to the device once, and a batch is an index selection. Knows no files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from pruneexp.data.augment import Augmentation
from pruneexp.data.normalisation import Normalisation
from pruneexp.data.tensors import Pair, TensorSource

#: Most bytes of one split that are kept as float32 on a device; larger splits stay uint8 and each batch is converted.
#: CIFAR's 45,000 training images take 0.55 GB. Either way the numbers are the same.
FLOAT_BYTES = 2**30


class _Placed(NamedTuple):
    examples: TensorSource
    ready: Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class ResidentSource:
    """A ``Source`` over uint8 images (N, C, H, W) and int64 labels (N,), both on the CPU.

    The source keeps a copy on each requested device for as long as it lives. Without an ``augmentation`` it ignores the
    ``augment`` argument of ``batches``.

    Raises:
        ValueError: images or labels have another type or shape, or ``normalisation`` has another number of channels.
    """

    images: Tensor
    labels: Tensor
    normalisation: Normalisation
    augmentation: Augmentation | None = None
    float_bytes: int = FLOAT_BYTES
    _places: dict[torch.device, _Placed] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        shape, labels = tuple(self.images.shape), self.labels
        if self.images.dtype != torch.uint8 or len(shape) != 4:
            raise ValueError(f"images are {self.images.dtype} of shape {shape}; uint8 (N, C, H, W) is allowed")
        if labels.dtype != torch.int64 or labels.shape != shape[:1]:
            raise ValueError(
                f"labels are {labels.dtype} of shape {tuple(labels.shape)}; int64 ({shape[0]},) is allowed"
            )
        channels = shape[1]
        if len(self.normalisation.mean) != channels:
            raise ValueError(f"normalisation has {len(self.normalisation.mean)} channels; the images have {channels}")

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self,
        batch_size: int,
        device: torch.device,
        *,
        order: Tensor | None = None,
        augment: torch.Generator | None = None,
    ) -> Iterator[Pair]:
        """As ``Source.batches``. The host waits for the device only once, for the transfer of ``order`` at the start.

        Each batch is one selection: of 60,000 MNIST images in batches of 64, one CPU core took 58 us to select a batch
        from floats, 88 us to select it from uint8 and convert it, and 161 us per batch for one selection of the whole
        epoch, whose 188 MB are fresh pages (medians of 9).
        """
        device = torch.empty(0, device=device).device  # "cuda" and "cuda:0" are one device
        examples, ready = self._placed(device)
        return self._prepared(examples.batches(batch_size, device, order=order), ready, augment)

    def _prepared(
        self, batches: Iterator[Pair], ready: Callable[[Tensor], Tensor], augment: torch.Generator | None
    ) -> Iterator[Pair]:
        for pixels, classes in batches:
            images = ready(pixels)
            if augment is not None and self.augmentation is not None:
                images = self.augmentation(images, augment)
            yield images, classes

    def _placed(self, device: torch.device) -> _Placed:
        if device not in self._places:
            images, normalise = self.images.to(device), self.normalisation.on(device)
            if 4 * images.numel() <= self.float_bytes:
                self._places[device] = _Placed(TensorSource(normalise(images), self.labels), _as_is)
            else:
                self._places[device] = _Placed(TensorSource(images, self.labels), normalise)
        return self._places[device]


def _as_is(images: Tensor) -> Tensor:
    return images
