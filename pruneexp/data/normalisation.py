"""Pixels to network inputs: per channel, subtract a mean and divide by a standard deviation. Knows no data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Normalisation:
    """Per-channel constants of a data set, of pixels scaled to [0, 1].

    Raises:
        ValueError: the lengths differ or a deviation is not positive.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise ValueError(f"{len(self.mean)} means, {len(self.std)} deviations; one of each per channel is needed")
        if any(not value > 0 for value in self.std):
            raise ValueError(f"std is {self.std}; every deviation must be above 0")

    @property
    def black(self) -> tuple[float, ...]:
        """What a pixel of 0 becomes, per channel."""
        return tuple(-mean / std for mean, std in zip(self.mean, self.std, strict=True))

    def on(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """Return a function from uint8 (B, C, H, W) to normalised float32 of the same shape, both on ``device``.

        Two correctly rounded operations per pixel, so the result depends on neither batch nor device. The constants
        are sent to the device here, once: sending them with each batch would make the host wait.
        """
        mean = torch.tensor([255 * value for value in self.mean], device=device).view(-1, 1, 1)
        std = torch.tensor([255 * value for value in self.std], device=device).view(-1, 1, 1)

        def normalise(pixels: Tensor) -> Tensor:
            return pixels.to(torch.float32).sub_(mean).div_(std)

        return normalise
