"""From pixels to network inputs: per channel, minus a mean, divided by a standard deviation. Knows no data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Normalisation:
    """Per-channel constants of a data set, for pixels scaled to [0, 1].

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
        """The normalised value of a pixel of 0, per channel."""
        return tuple(-mean / std for mean, std in zip(self.mean, self.std, strict=True))

    def on(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """Return a function from uint8 (B, C, H, W) to normalised float32 of the same shape, both on ``device``.

        It applies two correctly rounded operations per pixel, so the result depends on neither batch nor device. The
        constants move to the device once, here: a transfer with each batch would make the host wait.
        """
        mean = torch.tensor([255 * value for value in self.mean], device=device).view(-1, 1, 1)
        std = torch.tensor([255 * value for value in self.std], device=device).view(-1, 1, 1)

        def normalise(pixels: Tensor) -> Tensor:
            return pixels.to(torch.float32).sub_(mean).div_(std)

        return normalise
