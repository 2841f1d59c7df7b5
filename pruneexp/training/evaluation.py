"""How good a network is on one split, and batch normalisation re-estimated for a pruned one. Knows no training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

from pruneexp.pruning.layers import evaluating
from pruneexp.schema import Score
from pruneexp.training import layout, seeding
from pruneexp.training.fit import TrainingData


@torch.inference_mode()
def evaluate(
    network: nn.Module,
    data: TrainingData,
    *,
    device: torch.device,
    adapt: Callable[[Tensor], Tensor] | None = None,
    batch_size: int = 256,
) -> Score:
    """Mean cross-entropy and accuracies of ``network`` on all of ``data``, in float32, without augmentation.

    Top-5 is given only where there are more than five classes. Waits for the device once. The network must be on
    ``device``; its mode is as before.

    Raises:
        ValueError: ``data`` is empty.
    """
    if len(data) == 0:
        raise ValueError("the number of images is 0; allowed is 1 or more")
    arrange = layout.for_network(network)
    sums = torch.zeros(3, dtype=torch.float64, device=device)
    classes = 0
    with evaluating(network):
        for images, labels in data.batches(batch_size, device):
            logits = network(arrange(images if adapt is None else adapt(images)))
            logits = logits.reshape(len(labels), -1)  # ``squeeze()`` takes away the batch of a single image
            classes = logits.shape[1]
            sums += _sums(logits, labels)
    loss, top1, top5 = (sums / len(data)).tolist()
    return Score(loss=loss, top1=100 * top1, top5=100 * top5 if classes > 5 else None)


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

    Statistics of the dense network are stale once its weights are pruned. No weight changes. The images (training
    images, never those a result is reported on) are drawn from (seed, "recalibrate"), all of them if there are fewer.

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


def _sums(logits: Tensor, labels: Tensor) -> Tensor:
    """Summed loss, number of right first guesses, number of right answers among the first five guesses."""
    logits = logits.float()
    guesses = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
    loss = cross_entropy(logits, labels, reduction="sum")
    return torch.stack([loss.double(), guesses[:, 0].sum().double(), guesses.sum().double()])


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
