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


def shape_of_images(num_classes: int, channels: int, image_size: int, least: int = 1) -> tuple[int, int, int]:
    """The shape (C, H, W) of the images that a classifier takes; their sides are ``least`` pixels or more.

    Raises:
        ValueError: a number is below its least.
    """
    at_least("num_classes", num_classes, 2)
    at_least("channels", channels, 1)
    at_least("image_size", image_size, least)
    return channels, image_size, image_size


def channels_of_layers(name: str, channels: Sequence[int], count: int) -> None:
    """Raise a ``ValueError`` unless ``channels`` are ``count`` whole numbers, each at least 1."""
    if not _whole_numbers(channels) or len(channels) != count:
        raise ValueError(f"{name} is {channels}, must be a list of {count} whole numbers, each at least 1")


def channels_of_stages(name: str, stages: Sequence[Sequence[int]]) -> None:
    """Raise a ``ValueError`` unless ``stages`` are lists of whole numbers, each at least 1, and there is one."""
    if not isinstance(stages, Sequence) or not stages or not all(_whole_numbers(stage) for stage in stages):
        raise ValueError(f"{name} is {stages}, must be a list of lists of whole numbers, each at least 1")


def _whole_numbers(values: Sequence[int]) -> bool:
    return isinstance(values, Sequence) and len(values) > 0 and all(isinstance(v, int) and v >= 1 for v in values)


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
