"""Confidence intervals of a change of accuracy, by resampling the images it was measured on. Knows no networks."""

from __future__ import annotations

import torch
from torch import Tensor

from pruneexp.training import seeding

_BYTES = 2**27  # of drawn images at a time; the numbers do not depend on it


def intervals(
    right: Tensor, dense: Tensor, *, seed: int, resamples: int = 1000, confidence: float = 0.95
) -> tuple[Tensor, Tensor]:
    """Lower and upper bounds of the change of accuracy against the dense network, in points, float64 (G, L) each.

    ``right`` (G, L, N) and ``dense`` (N,) are true for the images that the network classifies correctly. Each resample
    draws N of the N images with replacement, the same images for every group, level and the dense network: a paired
    percentile bootstrap (Efron and Tibshirani 1993, chapter 13).

    Raises:
        ValueError: shapes do not fit, there are no images, or an argument is out of its range.
    """
    images = dense.numel()
    if dense.shape != right.shape[2:] or right.ndim != 3 or images == 0:
        raise ValueError(f"shapes {tuple(right.shape)} and {tuple(dense.shape)}; allowed are (G, L, N) and (N,), N > 0")
    if resamples < 1 or not 0 < confidence < 1:
        raise ValueError(f"{resamples} resamples, confidence {confidence}; allowed are 1 or more, and 0 to 1")
    changes = right.reshape(-1, images).float() - dense.float()
    means = 100 * _sums(changes, resamples, seeding.generator(seed, "bootstrap")) / images
    tail = (1 - confidence) / 2
    low, high = means.quantile(torch.tensor([tail, 1 - tail], dtype=means.dtype), dim=0)
    return low.reshape(right.shape[:2]), high.reshape(right.shape[:2])


def _sums(changes: Tensor, resamples: int, generator: torch.Generator) -> Tensor:
    """Sums of the rows of ``changes`` (K, N) over resampled images: float64 (resamples, K), whole numbers."""
    images = changes.shape[1]
    rows = max(1, _BYTES // (8 * images))
    sums = []
    for begin in range(0, resamples, rows):
        drawn = torch.randint(images, (min(rows, resamples - begin), images), generator=generator)
        times = torch.zeros(drawn.shape).scatter_add_(1, drawn, torch.ones(()).expand(drawn.shape))
        sums.append(times @ changes.T)
    return torch.cat(sums).double()
