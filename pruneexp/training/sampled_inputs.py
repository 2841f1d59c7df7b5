"""What layers are given at a few positions of their outputs: the inputs of each, as rows that meet its weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.modules.conv import _ConvNd

from pruneexp.pruning.layers import PrunableLayer
from pruneexp.tracing.mode import evaluating
from pruneexp.training import layout


@torch.no_grad()
def sampled_inputs(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    layers: Mapping[str, PrunableLayer],
    positions: int,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """The inputs of these layers, (samples, columns) in double precision on the CPU, in the order that a pass has them.

    A sample is what leads to one position of an output, its columns those of ``weight.flatten(1)``. Of each example and
    call of a layer there are ``positions``, drawn from the generator, or all where there are no more. Networks that
    call the same layers have the same positions. Convolutions without groups and linear layers are seen where they are
    called; other layers are absent. The network is in evaluation mode.
    """
    arrange, seen = layout.for_network(network), _Samples(positions, generator)
    with evaluating(network), seen.watching(network, layers):
        for batch, _ in batches:
            network(arrange(batch))
    return {name: torch.cat(parts) for name, parts in seen.parts.items()}


@dataclass
class _Samples:
    positions: int
    generator: torch.Generator
    parts: dict[str, list[Tensor]] = field(default_factory=dict)

    @contextmanager
    def watching(self, network: nn.Module, layers: Mapping[str, PrunableLayer]) -> Iterator[None]:
        names = {id(layer.weight): name for name, layer in layers.items() if layer.module}
        with ExitStack() as stack:
            for module in network.modules():
                plain = isinstance(module, nn.Linear) or (isinstance(module, _ConvNd) and module.groups == 1)
                if plain and (name := names.get(id(module.weight))):
                    handle = module.register_forward_pre_hook(partial(self._add, name))
                    stack.callback(handle.remove)
            yield

    def _add(self, name: str, module: nn.Module, given: tuple[Any, ...]) -> None:
        rows = _windows(module, given[0]) if isinstance(module, _ConvNd) else given[0].unflatten(0, (-1, 1))
        places = rows.shape[1 : 1 + len(module.kernel_size)] if isinstance(module, _ConvNd) else rows.shape[1:-1]
        chosen = self._drawn(len(rows), prod(places)).to(rows.device)
        images = torch.arange(len(rows), device=rows.device)[:, None]
        sampled = rows[(images, *torch.unravel_index(chosen, places))]
        self.parts.setdefault(name, []).append(sampled.flatten(0, 1).flatten(1).double().cpu())

    def _drawn(self, examples: int, places: int) -> Tensor:
        if places <= self.positions:
            return torch.arange(places).expand(examples, places)
        return torch.randint(places, (examples, self.positions), generator=self.generator)


def _windows(module: _ConvNd, given: Tensor) -> Tensor:
    """What each position of a convolution's output sees, (N, *positions, C, *kernel): a view of the padded input."""
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    windows = pad(given, module._reversed_padding_repeated_twice, mode)  # noqa: SLF001
    sides = zip(module.kernel_size, module.stride, module.dilation, strict=True)
    for dim, (size, stride, dilation) in enumerate(sides):
        windows = windows.unfold(2 + dim, (size - 1) * dilation + 1, stride)[..., ::dilation]
    return windows.movedim(1, 1 + len(module.kernel_size))
