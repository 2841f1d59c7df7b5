"""Whole forward passes without side effects. Knows no pruning."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from pruneexp.tracing.mode import Buffer, kept_buffers


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


def copied(images: Tensor) -> Tensor:
    """A copy of a batch for a pass that may write to it; expanded images themselves: a copy would lose their layout."""
    expanded = any(stride == 0 and side > 1 for side, stride in zip(images.shape, images.stride(), strict=True))
    return images if expanded else images.clone()
