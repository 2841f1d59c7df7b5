"""A network as it was, once something has been done in it: its modes and its buffers. Knows nothing of what is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put every module in evaluation mode, and restore the mode of each on exit."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


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

    @torch.no_grad()
    def restore(self) -> None:
        """Restore the buffer and its values."""
        self.tensor.copy_(self.values)
        setattr(self.module, self.name, self.tensor)


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


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether both hold the same bits: nan equals nan, and 0.0 differs from -0.0."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.equal(_bits(one), _bits(other))


def _bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)
