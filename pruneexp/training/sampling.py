"""What layers are given, and what they make of it, at a few positions of their outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.modules.conv import _ConvNd

from pruneexp.pruning.layers import callers, prunable
from pruneexp.tracing.mode import evaluating
from pruneexp.training import layout


class Samples(NamedTuple):
    """Rows of one layer: ``inputs`` (samples, columns) and its ``outputs`` (samples, outputs) without a bias."""

    inputs: Tensor
    outputs: Tensor


@torch.no_grad()
def sampled(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    columns: Mapping[str, Tensor],
    positions: int,
    generator: torch.Generator,
) -> dict[str, Samples]:
    """What the layers that ``columns`` names compute, in the order that a pass calls them; in doubles, on the CPU.

    A sample is what leads to one position of an output. Its inputs are those that meet ``weight.flatten(1)``; of them
    the columns are kept that are true for the layer. Of each example and call of a layer there are ``positions``, drawn
    from the generator, or all where there are no more; networks that call the same layers have the same ones. Only
    linear layers and convolutions without groups are seen, where they are called. The network is in evaluation mode.
    """
    arrange, layers = layout.for_network(network), prunable(network)
    found: dict[str, list[Samples]] = {}

    def add(name: str, module: nn.Module, given: tuple[Any, ...]) -> None:
        rows = _drawn(module, given[0], positions, generator).double().cpu()
        matrix = layers[name].weight.flatten(1).double().cpu()
        found.setdefault(name, []).append(Samples(rows[:, columns[name]], rows @ matrix.T))

    with evaluating(network), ExitStack() as stack:
        for name, module in callers(network, {name: layers[name] for name in columns if layers[name].module}):
            if isinstance(module, nn.Linear) or module.groups == 1:
                stack.callback(module.register_forward_pre_hook(partial(add, name)).remove)
        for batch, _ in batches:
            network(arrange(batch))
    return {name: Samples(*map(torch.cat, zip(*parts, strict=True))) for name, parts in found.items()}


def _drawn(module: nn.Module, given: Tensor, positions: int, generator: torch.Generator) -> Tensor:
    """What leads to a few positions of a layer's output, (samples, columns), example by example."""
    if isinstance(module, _ConvNd):
        rows, dims = _windows(module, given), len(module.kernel_size)
    else:
        rows, dims = given.unsqueeze(1), given.ndim - 1
    examples, places = len(rows), rows.shape[1 : 1 + dims]
    if prod(places) > positions:
        chosen = torch.randint(prod(places), (examples, positions), generator=generator).to(given.device)
    else:
        chosen = torch.arange(prod(places), device=given.device).expand(examples, -1)
    example = torch.arange(examples, device=given.device)[:, None]
    return rows[(example, *torch.unravel_index(chosen, places))].flatten(0, 1).flatten(1)


def _windows(module: _ConvNd, given: Tensor) -> Tensor:
    """What each position of a convolution's output sees, (N, *positions, C, *kernel): a view of the padded input."""
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    windows = pad(given, module._reversed_padding_repeated_twice, mode)  # noqa: SLF001
    sides = zip(module.kernel_size, module.stride, module.dilation, strict=True)
    for dim, (size, stride, dilation) in enumerate(sides):
        windows = windows.unfold(2 + dim, (size - 1) * dilation + 1, stride)[..., ::dilation]
    return windows.movedim(1, 1 + len(module.kernel_size))
