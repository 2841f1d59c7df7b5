"""Shares of activations that are not zero (Han et al. 2015, column Act%); knows no masks and no data set by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pruneexp.pruning.layers import callers, prunable
from pruneexp.tracing.mode import evaluating


class Images(Protocol):
    """A split of a data set, as batches on a device."""

    def batches(self, batch_size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]: ...


@dataclass(frozen=True, kw_only=True)
class Activations:
    """Shares of non-zero activations in [0, 1], mean over images, by prunable layer; plain numbers, fit for JSON.

    ``inputs`` are the shares of what each layer reads; the image, the input of the first layer, has 1 (Han's rule).
    ``outputs`` are those of what the next executed layer reads, so after the non-linearity and the pooling between them
    (counts after pooling reproduce the totals in Han's tables); for the last layer, those of its own output. In a
    network that is not a chain, the next executed layer need not read this layer's output; ``inputs`` is right in any
    network. ``sizes`` are the numbers of these outputs for one image. A layer that never ran as a
    module has share 1 and size 0.
    """

    inputs: Mapping[str, float]
    outputs: Mapping[str, float]
    sizes: Mapping[str, int]


@dataclass
class _Share:
    nonzero: list[Tensor] = field(default_factory=list)
    size: int = 0

    def add(self, values: Tensor) -> None:
        self.nonzero.append(values.count_nonzero())
        self.size += values.numel()

    def value(self) -> float:
        return int(torch.stack(self.nonzero).sum()) / self.size if self.size else 1.0


class _ActivationCounter:
    """Counts non-zero activations over forward passes; the counts stay on the device."""

    def __init__(self, layers: Collection[str]) -> None:
        self.inputs = {name: _Share() for name in layers}
        self.outputs = {name: _Share() for name in layers}
        self.last: tuple[str, Tensor] | None = None

    def before(self, name: str, _: nn.Module, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        values = inputs[0] if inputs else named["input"]
        if self.last is not None:  # the first layer of a pass reads the image
            self.inputs[name].add(values)
            self.outputs[self.last[0]].add(values)

    def after(self, name: str, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        self.last = (name, output)

    def end_of_pass(self) -> None:
        if self.last is not None:
            name, output = self.last
            self.outputs[name].add(output)
        self.last = None


def activations(
    network: nn.Module,
    images: Images,
    *,
    device: torch.device,
    adapt: Callable[[Tensor], Tensor] | None = None,
    batch_size: int = 256,
) -> Activations:
    """Measure ``network`` on every image, in evaluation mode; its mode is as before.

    ``adapt`` turns images (B, C, H, W) into what the network takes. The host waits for the device once, at the end. A
    use of a weight without a call of its module (``functional.linear(x, self.fc.weight)``) is not seen.

    Raises:
        ValueError: there is no image.
        UserError: the network has no prunable layer.
    """
    layers, seen = prunable(network), 0
    meter = _ActivationCounter(layers)
    with evaluating(network), torch.no_grad(), ExitStack() as stack:
        for name, module in callers(network, layers):
            before, after = partial(meter.before, name), partial(meter.after, name)
            stack.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(after).remove)
        for batch, _ in images.batches(batch_size, device):
            network(batch if adapt is None else adapt(batch))
            meter.end_of_pass()
            seen += len(batch)
    if not seen:
        raise ValueError("the number of images is 0; activations need 1 or more")
    return Activations(
        inputs={name: share.value() for name, share in meter.inputs.items()},
        outputs={name: share.value() for name, share in meter.outputs.items()},
        sizes={name: share.size // seen for name, share in meter.outputs.items()},
    )
