"""Range checks of arguments, whose messages name the argument, and of inputs that are no tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def at_least(name: str, value: int, least: int) -> None:
    """Raise a ``ValueError`` that names the argument, its value and its range, unless ``value >= least``."""
    if value < least:
        raise ValueError(f"{name} is {value}, must be at least {least}")


def above_zero(name: str, value: float) -> None:
    """Raise a ``ValueError`` that names the argument and its value, unless ``value > 0``."""
    if not value > 0:
        raise ValueError(f"{name} is {value}, must be above 0")


def channels_of_stages(name: str, stages: Sequence[Sequence[int]], depths: Sequence[int] | None = None) -> None:
    """Raise a ``ValueError`` unless ``stages`` are lists of numbers of channels, as long as ``depths`` say."""
    lists = isinstance(stages, (list, tuple)) and all(isinstance(stage, (list, tuple)) for stage in stages)
    if not lists or not stages or not all(stages):
        raise ValueError(f"{name} is {stages}, must be a list with one list of channels for each stage")
    if wrong := [each for stage in stages for each in stage if not isinstance(each, int) or each < 1]:
        raise ValueError(f"{name} has {wrong[0]} channels in a layer, must be a whole number, at least 1")
    found = [len(stage) for stage in stages]
    if depths is not None and found != list(depths):
        raise ValueError(f"{name} has lists of {found} numbers, must have lists of {list(depths)}")


def blocks_of_depth(depth: int, layers: int, beside: int) -> int:
    """Blocks of each of three stages, where a block has a third of ``layers`` and ``beside`` layers lie outside.

    Raises:
        ValueError: the number is not whole, or below 1.
    """
    blocks, rest = divmod(depth - beside, layers)
    if rest or blocks < 1:
        allowed = ", ".join(str(layers * n + beside) for n in (1, 2, 3))
        raise ValueError(f"depth is {depth}, must be {layers} n + {beside}: {allowed}, ...")
    return blocks


def drop_rate(name: str, value: float) -> None:
    """Raise a ``ValueError`` unless ``value`` is a share of units that dropout may drop: 0 <= value < 1."""
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name} is {value}, must be in [0, 1)")


def tokens_only(network: nn.Module, tokens: Tensor) -> None:
    """Raise a ``ValueError`` unless ``tokens`` are windows of tokens, int64 (B, T): images or vectors, for example."""
    if tokens.dtype != torch.int64 or tokens.ndim != 2:
        raise ValueError(
            f"{type(network).__name__} takes windows of tokens, int64 (B, T), and these inputs are {tokens.dtype} of "
            f"shape {tuple(tokens.shape)}"
        )
