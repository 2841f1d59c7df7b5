"""Range checks of arguments, whose messages name the argument, and of inputs that are no tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def at_least(name: str, value: int, least: int) -> None:
    """Raise a ``ValueError`` that names the argument, its value and its range, unless ``value >= least``."""
    if value < least:
        raise ValueError(f"{name} is {value}, must be at least {least}")


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
