"""Confidence intervals of a change of a metric, by resampling the examples it was measured on. Knows no networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from pruneexp.training import seeding

_BYTES = 2**27  # of drawn examples at a time; the numbers do not depend on it

#: The change from means of the dense network (R, 1) to those of others (R, K), float64: (R, K).
Change = Callable[[Tensor, Tensor], Tensor]


def intervals(
    values: Tensor,
    dense: Tensor,
    change: Change | None = None,
    *,
    seed: int,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> tuple[Tensor, Tensor]:
    """Lower and upper bounds of the change of a metric against the dense network, float64 (G, L) each.

    ``values`` (G, L, N) and ``dense`` (N,) are booleans, true for right answers, of which the change is that of their
    share, in points; or numbers, and ``change`` computes it from their means. Each resample draws N of the N examples
    with replacement, the same examples for every group, level and the dense network: a paired percentile bootstrap
    (Efron and Tibshirani 1993, chapter 13).

    Raises:
        ValueError: shapes do not fit, there are no examples, or an argument is out of its range.
    """
    examples = dense.numel()
    if dense.shape != values.shape[2:] or values.ndim != 3 or examples == 0:
        raise ValueError(
            f"shapes {tuple(values.shape)} and {tuple(dense.shape)}; allowed are (G, L, N) and (N,), N > 0"
        )
    if resamples < 1 or not 0 < confidence < 1:
        raise ValueError(f"{resamples} resamples, confidence {confidence}; allowed are 1 or more, and 0 to 1")
    sums = partial(_sums, resamples=resamples, generator=seeding.generator(seed, "bootstrap"))
    if change is None:
        differences = values.reshape(-1, examples).float() - dense.float()
        changes = 100 * sums(differences) / examples
    else:
        means = sums(torch.cat([dense[None], values.reshape(-1, examples)]).double()) / examples
        changes = change(means[:, :1], means[:, 1:])
    tail = (1 - confidence) / 2
    low, high = changes.quantile(torch.tensor([tail, 1 - tail], dtype=changes.dtype), dim=0)
    return low.reshape(values.shape[:2]), high.reshape(values.shape[:2])


def _sums(rows: Tensor, resamples: int, generator: torch.Generator) -> Tensor:
    """Sums of the ``rows`` (K, N) over resampled examples: float64 (resamples, K); exact of whole numbers."""
    examples = rows.shape[1]
    drawings = max(1, _BYTES // (8 * examples))
    sums = []
    for begin in range(0, resamples, drawings):
        drawn = torch.randint(examples, (min(drawings, resamples - begin), examples), generator=generator)
        times = torch.zeros(drawn.shape).scatter_add_(1, drawn, torch.ones(()).expand(drawn.shape))
        sums.append(times.to(rows.dtype) @ rows.T)
    return torch.cat(sums).double()
