"""Whole forward passes without side effects. Knows no pruning."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Buffer:
    """One buffer of a module, and a copy of its values."""

    module: nn.Module
    name: str
    tensor: Tensor
    values: Tensor

    def is_unchanged(self) -> bool:
        """Whether the module still has this buffer, with these values."""
        return getattr(self.module, self.name, None) is self.tensor and same_bits(self.tensor, self.values)

    def restore(self) -> None:
        """Restore the buffer and its values."""
        self.tensor.copy_(self.values)
        setattr(self.module, self.name, self.tensor)


@dataclass(frozen=True)
class Forward:
    """The network as a function without side effects; a call restores ``changing``, the buffers that a pass changes."""

    network: nn.Module
    changing: tuple[Buffer, ...] = ()

    def __call__(self, images: Tensor) -> Tensor:
        try:
            logits: Tensor = self.network(copied(images))
        finally:
            for buffer in self.changing:
                buffer.restore()
        return logits


def forward_of(network: nn.Module, images: Tensor) -> Forward:
    """The network as a function, after a pass that shows which buffers it changes."""
    with kept_buffers(network) as buffers:
        network(copied(images))
        changing = tuple(buffer for buffer in buffers if not buffer.is_unchanged())
    return Forward(network, changing)


@contextmanager
def kept_buffers(network: nn.Module) -> Iterator[list[Buffer]]:
    """Yield the buffers of the network, and restore all of them on exit."""
    buffers = [
        Buffer(module, name, tensor, tensor.clone())
        for module in network.modules()
        for name, tensor in module.named_buffers(recurse=False)
    ]
    try:
        yield buffers
    finally:
        for buffer in buffers:
            buffer.restore()


def copied(images: Tensor) -> Tensor:
    """A copy of a batch for a pass that may write to it; expanded images themselves: a copy would lose their layout."""
    expanded = any(stride == 0 and side > 1 for side, stride in zip(images.shape, images.stride(), strict=True))
    return images if expanded else images.clone()


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether both hold the same bits: nan equals nan, and 0.0 differs from -0.0."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.equal(_bits(one), _bits(other))


def _bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)
