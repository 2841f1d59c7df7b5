"""Channels as units of selection: from weights to coupled channels, or heads of attention, and back.

A weight belongs to the channel that it helps to make and to the one that it reads, and stays where both do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, reduce
from math import prod
from operator import and_

import torch
from torch import Tensor, nn

from pruneexp.pruning.couplings import OUT_OF_SCOPE, OUTPUTS, Couplings, by_reason
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.masks import MaskSet


class ChannelGrouping:
    """Channels in place of weights, and the sets of those that the same layers make in place of layers.

    ``name`` is what one of them is called.
    """

    additive = False

    def __init__(self, of: Couplings, network: nn.Module, name: str = "channel") -> None:
        self.of, self.name, layers = of, name, prunable(network)
        self._parameters = {layer: each.parameter for layer, each in layers.items()}
        self._shapes = {layer: each.weight.shape for layer, each in layers.items()}

    @property
    def staying(self) -> str:
        """Which layers keep their outputs, and why, but for those whose outputs are the network's."""
        told = by_reason({name: why for name, why in self.of.held.items() if why not in (OUTPUTS, OUT_OF_SCOPE)})
        return f"{self.name}s that stay whole: {told}" if told else ""

    @cached_property
    def sizes(self) -> dict[str, Tensor]:
        """The number of weights that make each channel, by set."""
        rows = {name: shape.numel() for name, shape in self._shapes.items()}
        return self._summed(lambda layer, dim: torch.tensor(rows[layer] / self._shapes[layer][dim]))

    def means(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean of the values of the weights that make each channel, in all layers that do, by set."""
        return {name: sums / self.sizes[name] for name, sums in self._sums(values).items()}

    def living(self, alive: MaskSet) -> MaskSet:
        """Which channels some surviving weight makes, by set."""
        return MaskSet({name: sums > 0 for name, sums in self._sums(alive).items()})

    def masks(self, kept: Mapping[str, Tensor], alive: MaskSet) -> MaskSet:
        """The weights of all layers that lie between kept channels, as far as they are ``alive``."""
        masks = {}
        for name, survivors in alive.items():
            stays = self._stays(name, kept)
            shapes = {dim: [-1 if each == dim else 1 for each in range(survivors.ndim)] for dim in stays}
            masks[name] = reduce(and_, (each.view(shapes[dim]) for dim, each in stays.items()), survivors)
        return MaskSet(masks)

    def counts(self, kept: Mapping[str, Tensor], alive: MaskSet) -> dict[str, int]:
        """How many weights ``masks`` keeps of each layer."""
        found = {}
        for name, survivors in alive.items():
            stays = self._stays(name, kept)
            if alive.kept_per_layer[name] == survivors.numel():
                found[name] = prod(int(stays[d].sum()) if d in stays else n for d, n in enumerate(survivors.shape))
            else:
                between = [(dim, indices.nonzero().flatten()) for dim, indices in stays.items()]
                left = reduce(lambda mask, each: mask.index_select(*each), between, survivors)
                found[name] = int(left.count_nonzero())
        return found

    def _stays(self, layer: str, kept: Mapping[str, Tensor]) -> dict[int, Tensor]:
        """Which indices of a weight stay, along each of its dimensions that belongs to channels."""
        stays: dict[int, Tensor] = {}
        for name, dim, place in self._places[layer]:
            here = (place < 0) | kept[name][place.clamp(min=0)]
            stays[dim] = stays.get(dim, here) & here
        return stays

    @cached_property
    def _places(self) -> dict[str, list[tuple[str, int, Tensor]]]:
        """By layer, the channel of each index of its dimensions, set by set."""
        found: dict[str, list[tuple[str, int, Tensor]]] = {layer: [] for layer in self._parameters}
        layers = {parameter: layer for layer, parameter in self._parameters.items()}
        for name, channels in self.of.sets.items():
            for (tensor, dim), place in channels.members.items():
                if tensor in layers:
                    found[layers[tensor]].append((name, dim, place))
        return found

    def _sums(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The sum over the weights that make each channel, by set."""

        def rows(layer: str, dim: int) -> Tensor:
            value = values[layer].transpose(0, dim).flatten(1)
            # Rows of floats one by one: no copy in double precision of weights that fill half of the memory.
            return torch.stack([row.sum(dtype=torch.float64) for row in value])

        return self._summed(rows)

    def _summed(self, of_rows: Callable[[str, int], Tensor]) -> dict[str, Tensor]:
        found = {}
        for name, channels in self.of.sets.items():
            sums = torch.zeros(channels.channels + 1, dtype=torch.float64)
            for layer, dim in channels.producers.items():
                place = channels.members[self._parameters[layer], dim]
                sums.index_add_(0, place % len(sums), of_rows(layer, dim).double().expand(len(place)))  # -1: the last
            found[name] = sums[:-1]
        return found
