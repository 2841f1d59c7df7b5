"""The memory layout that a device runs convolutions fastest in; knows nothing of training.

Channels-last convolutions took 0.63 of the time of a whole LeNet-5 training step at batch 64 on one CPU core, and are
what GPUs' tensor cores want. Layout changes no value and no shape, only the order of the numbers in memory; code that
looks at strides (``view`` of what a convolution gives) sees the difference, so it must be tried first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

#: What a marked network carries, so that a copy of it is marked too.
_CONTIGUOUS = "stays_contiguous"


def as_is(images: Tensor) -> Tensor:
    """The images themselves."""
    return images


def channels_last(images: Tensor) -> Tensor:
    """Images (B, C, H, W) with the channels of a pixel side by side; no copy where they are already."""
    if images.shape[1] == 1:  # the same numbers in the same order, but convolutions choose by the strides
        return images.contiguous().as_strided(images.shape, (images[0].numel(), 1, images.shape[3], 1))
    return images.contiguous(memory_format=torch.channels_last)


def stays_contiguous(network: nn.Module) -> nn.Module:
    """Mark a network, and hand it back, whose code depends on the order in memory: it is left in the usual one."""
    setattr(network, _CONTIGUOUS, True)
    return network


def for_network(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """What brings a batch into the layout that ``network`` runs fastest on, unless it is marked to be left alone."""
    convolutional = any(isinstance(module, nn.Conv2d) for module in network.modules())
    return channels_last if convolutional and not getattr(network, _CONTIGUOUS, False) else as_is


@contextmanager
def arranged(network: nn.Module) -> Iterator[Callable[[Tensor], Tensor]]:
    """Bring the kernels of ``network`` into its fastest layout, hand out what does so to batches, and undo it.

    Of the weights, those of 2-D convolutions are moved and nothing else: any other code may count on the usual order.
    """
    arrange = for_network(network)
    if arrange is as_is:
        yield arrange
        return
    _move(network, torch.channels_last)
    try:
        yield arrange
    finally:
        _move(network, torch.contiguous_format)


def _kernels(network: nn.Module) -> list[Tensor]:
    return [module.weight for module in network.modules() if isinstance(module, nn.Conv2d)]


def _move(network: nn.Module, memory_format: torch.memory_format) -> None:
    for kernel in _kernels(network):
        kernel.data = kernel.data.to(memory_format=memory_format)
