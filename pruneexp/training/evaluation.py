"""How good a network is on one split, and batch normalisation re-estimated for a pruned one. Knows no training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pruneexp.schema import Score
from pruneexp.tasks.classification import CLASSIFICATION
from pruneexp.tasks.task import Task, answers
from pruneexp.tracing.mode import evaluating
from pruneexp.training import layout, seeding
from pruneexp.training.fit import TrainingData


@torch.no_grad()  # not inference mode: a forward pass that differentiates can lift no_grad
def evaluate(
    network: nn.Module,
    data: TrainingData,
    *,
    device: torch.device,
    task: Task = CLASSIFICATION,
    adapt: Callable[[Tensor], Tensor] | None = None,
    batch_size: int = 256,
) -> Score:
    """The score of ``network`` on all of ``data``, without augmentation: as the meter of ``task`` gives it.

    Waits for the device once. The network must be on ``device``; its mode is as before. ``adapt`` turns inputs (B, ...)
    into the network's.

    Raises:
        ValueError: ``data`` is empty.
    """
    if len(data) == 0:
        raise ValueError(f"the number of {task.examples} is 0; allowed is 1 or more")
    arrange, meter = layout.for_network(network), task.meter()
    with evaluating(network):
        for inputs, targets in data.batches(batch_size, device):
            fitting = arrange(inputs if adapt is None else adapt(inputs))
            meter.update(answers(task, network, fitting, targets), targets)
    return meter.compute()


@torch.no_grad()  # not inference mode: a forward pass that differentiates can lift no_grad
def disconnected(
    network: nn.Module,
    data: TrainingData,
    *,
    device: torch.device,
    adapt: Callable[[Tensor], Tensor] | None = None,
    batch_size: int = 32,
) -> bool:
    """Whether the outputs of ``network``, in evaluation mode, do not depend on the inputs of ``data``.

    Each batch runs twice, the second time with its inputs moved by one place, and outputs are compared at the same
    place of batches of the same size, because kernels may differ between places in their last bits. Equal inputs prove
    nothing, and outputs that are not numbers count as different. For nearly every network the first batch decides.
    """
    arrange, first, compared = layout.for_network(network), None, False
    with evaluating(network):
        for batch, _ in data.batches(batch_size, device):
            inputs = batch if adapt is None else adapt(batch)
            moved = inputs.roll(1, 0)
            outputs, others = (network(arrange(each)).reshape(len(batch), -1) for each in (inputs, moved))
            differ = (inputs != moved).flatten(1).any(1)
            first = outputs[0] if first is None else first
            full = len(outputs) == batch_size
            if not (outputs == others)[differ].all() or (full and not (outputs[0] == first).all()):
                return False
            compared = compared or bool(differ.any())
    return compared


def recalibrate_batchnorm(
    network: nn.Module,
    data: TrainingData,
    *,
    seed: int,
    device: torch.device,
    adapt: Callable[[Tensor], Tensor] | None = None,
    batch_size: int = 64,
    images: int = 2048,
) -> None:
    """Replace the running statistics of every batch normalisation by their plain average over ``images`` of ``data``.

    The statistics of the dense network are stale once its weights are pruned. No weight changes. ``data`` must be
    training images, never those that a result is reported on; ``images`` of them, or all if there are fewer, are drawn
    from (seed, "recalibrate").

    Raises:
        ValueError: ``data`` has fewer than two images, or ``images`` or ``batch_size`` is below 2.
    """
    if min(len(data), images, batch_size) < 2:
        raise ValueError(f"{len(data)} images, {images} asked, batch_size {batch_size}; allowed is 2 or more of each")
    layers = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not layers:
        return
    order = torch.randperm(len(data), generator=seeding.generator(seed, "recalibrate"))[:images]
    order = order[: len(order) - (len(order) % batch_size == 1)]  # one image alone has no variance
    arrange = layout.for_network(network)
    with evaluating(network), _averaging(layers), torch.no_grad():
        for batch, _ in data.batches(batch_size, device, order=order):
            network(arrange(batch if adapt is None else adapt(batch)))


@contextmanager
def _averaging(layers: list[_BatchNorm]) -> Iterator[None]:
    """Let these layers, in an otherwise evaluating network, average over all batches (momentum ``None``)."""
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum, layer.training = None, True
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
