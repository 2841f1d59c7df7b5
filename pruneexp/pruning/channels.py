"""Channels as units of selection: from weights to coupled channels and back.

A weight belongs to the channel that it helps to make and to the one that it reads, and stays where both do.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from pruneexp.pruning.couplings import OUT_OF_SCOPE, OUTPUTS, Couplings
from pruneexp.pruning.masks import MaskSet


class ChannelGrouping:
    """Channels in place of weights, and the sets of those that the same layers make in place of layers.

    ``parameters`` names the parameter of every prunable layer, ``shapes`` has their shapes by the names of layers.
    """

    name = "channel"
    additive = False

    def __init__(self, of: Couplings, parameters: Mapping[str, str], shapes: Mapping[str, torch.Size]) -> None:
        self.of, self._parameters, self._shapes = of, parameters, shapes

    @property
    def staying(self) -> str:
        """Which layers keep their outputs, and why, but for those whose outputs are the network's."""
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.of.held.items():
            if reason not in (OUTPUTS, OUT_OF_SCOPE):
                by_reason.setdefault(reason, []).append(name)
        told = [f"{_listed(names)} ({reason})" for reason, names in by_reason.items()]
        return f"channels that stay whole: {', '.join(told)}" if told else ""

    @cached_property
    def sizes(self) -> dict[str, Tensor]:
        """The number of weights that make each channel, by set."""
        return self._sums({name: torch.ones(shape) for name, shape in self._shapes.items() if name in self._producing})

    def means(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean of the values of the weights that make each channel, in all layers that do, by set."""
        return {name: sums / self.sizes[name] for name, sums in self._sums(values).items()}

    def living(self, alive: MaskSet) -> MaskSet:
        """Which channels some surviving weight makes, by set."""
        return MaskSet({name: sums > 0 for name, sums in self._sums(alive).items()})

    def masks(self, kept: Mapping[str, Tensor], alive: MaskSet) -> MaskSet:
        """The weights of all layers that lie between kept channels, as far as they are ``alive``."""
        masks = {}
        for name, mask in alive.items():
            for dim in range(mask.ndim):
                stays = self._stays(self._parameters[name], dim, kept, mask.shape[dim])
                if stays is not None:
                    mask = mask & stays.view(*(-1 if each == dim else 1 for each in range(mask.ndim)))
            masks[name] = mask
        return MaskSet(masks)

    @property
    def _producing(self) -> set[str]:
        return {layer for channels in self.of.sets.values() for layer in channels.producers}

    def _stays(self, parameter: str, dim: int, kept: Mapping[str, Tensor], size: int) -> Tensor | None:
        stays = torch.ones(size, dtype=torch.bool)
        touched = False
        for name, channels in self.of.sets.items():
            place = channels.members.get((parameter, dim))
            if place is not None:
                touched = True
                stays &= (place < 0) | kept[name][place.clamp(min=0)]
        return stays if touched else None

    def _sums(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The sum over the weights that make each channel, by set."""
        found = {}
        for name, channels in self.of.sets.items():
            sums = torch.zeros(channels.channels + 1, dtype=torch.float64)
            for layer, dim in channels.producers.items():
                others = [each for each in range(values[layer].ndim) if each != dim]
                each_row = values[layer].sum(others, dtype=torch.float64)
                sums.index_add_(0, channels.members[self._parameters[layer], dim] % len(sums), each_row)  # -1: the last
            found[name] = sums[:-1]
        return found


def _listed(names: list[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]
