"""Stratified splits that are the same everywhere: on any machine, in any run, under any version of torch or NumPy.

Knows only labels. A split belongs to the data set, not to the run: runs of different seeds share it, so that their
accuracies differ by training alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Seed of every shipped split. Another value makes other data sets: every fingerprint and result changes with it.
SPLIT_SEED = 20150608


def stratified_split(labels: Tensor, held_out: Sequence[int], *, seed: int = SPLIT_SEED) -> tuple[Tensor, ...]:
    """Set groups of images aside; each group has every class in proportion, to within one image.

    Uses the raw 64-bit stream of PCG64, which NumPy keeps stable across versions (NEP 19), and not ``permutation``,
    which NumPy may change.

    Args:
        labels: int64 (N,), each at least 0.
        held_out: images in each group set aside.
        seed: chooses the split; at least 0.

    Returns:
        The indices that stay, then those of each group: disjoint, ascending int64, together 0..N-1.

    Raises:
        ValueError: a group is empty or nothing would stay.
    """
    total = len(labels)
    if any(size < 1 for size in held_out) or sum(held_out) >= total:
        raise ValueError(f"cannot hold out {list(held_out)} of {total} images; each at least 1, together below {total}")
    classes = labels.numpy()
    keys = np.random.PCG64(seed).random_raw(total)
    shuffled = np.lexsort((keys, classes))  # class by class, in random order within each
    remaining = np.bincount(classes)
    start = np.concatenate(([0], np.cumsum(remaining)[:-1]))
    groups = []
    for size in held_out:
        taken = _proportional(remaining, size)
        groups.append(_gather(shuffled, start, taken))
        start, remaining = start + taken, remaining - taken
    return tuple(torch.from_numpy(group) for group in (_gather(shuffled, start, remaining), *groups))


def _proportional(available: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Share ``size`` in proportion to ``available`` by largest remainder, the lower class first when equal."""
    total = int(available.sum())
    share, remainder = np.divmod(available * size, total)
    missing = size - int(share.sum())
    share[np.argsort(-remainder, kind="stable")[:missing]] += 1
    return share


def _gather(shuffled: NDArray[np.int64], start: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.sort(np.concatenate([shuffled[s : s + n] for s, n in zip(start, count, strict=True)]))
