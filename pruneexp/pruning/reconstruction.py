"""Channels chosen, and weights changed, so that layers that read fewer channels compute nearly what they did.

Linear algebra on sampled inputs of layers, in double precision; knows neither networks nor data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from pruneexp.pruning.informed import check_count
from pruneexp.pruning.ranking import precise

#: Eigenvalues below this share of the largest count as zero: what lies along them no sample decides.
_RANK = 1e-10


@dataclass(frozen=True, eq=False)
class LayerSamples:
    """What one layer makes of samples: ``inputs`` (samples, columns) times ``weight`` (outputs, columns), no bias.

    ``outputs`` (samples, outputs) are to be reconstructed; ``channels`` has the channel of each column, -1 where that
    cannot go. All floats are of double precision, on the CPU.
    """

    inputs: Tensor
    weight: Tensor
    outputs: Tensor
    channels: Tensor

    def part(self, columns: Tensor) -> LayerSamples:
        """These columns alone, of which a mask says which they are; the outputs are the same."""
        return LayerSamples(self.inputs[:, columns], self.weight[:, columns], self.outputs, self.channels[columns])

    def left(self, kept: Tensor) -> tuple[Tensor, LayerSamples]:
        """Which columns a layer still reads where these channels are ``kept``, and its part of them."""
        columns = (self.channels < 0) | kept[self.channels]
        return columns, self.part(columns)


@runtime_checkable
class Reconstruction(Protocol):
    """A score that chooses channels by what the layers that read them compute, and changes the weights of those.

    Layers are treated in the order of a pass, each with its inputs behind the ones that were treated before. Called as
    a criterion, it gives the scores by which layers share the budget where an allocation asks for scores.
    ``positions`` are what is sampled of the outputs of one layer for one example; all, where there are fewer. The
    ``targets`` are the outputs of the network that is cut, with all channels: of that as it was, or as it presently is.
    """

    targets: Literal["original", "present"]

    @property
    def batches(self) -> int: ...

    @property
    def positions(self) -> int: ...

    def __call__(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]: ...

    def chosen(self, readings: Sequence[LayerSamples], candidates: Tensor, count: int) -> Tensor:
        """Of the channels that are ``candidates`` the ``count`` that stay, boolean; ``readings`` of all their readers.

        ``candidates`` is boolean, with one value for each channel, and has at least ``count`` of them.
        """
        ...

    def refitted(self, reading: LayerSamples, kept: Tensor) -> Tensor:
        """The weight of a layer that reads the ``kept`` channels alone: zero in the columns of all others."""
        ...


@dataclass(frozen=True)
class SampledCriterion:
    """How much is sampled of train for a ``Reconstruction``, which as a criterion gives magnitudes.

    Raises:
        ValueError: ``batches`` or ``positions`` is no whole number of at least 1.
    """

    batches: int = 4
    positions: int = 10

    def __post_init__(self) -> None:
        check_count(self.batches, "batches")
        check_count(self.positions, "positions")

    def __call__(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        return {name: precise(weight.detach()).abs() for name, weight in weights.items()}


def contributions_gram(reading: LayerSamples, channels: int) -> Tensor:
    """Products of what any two channels add to the outputs, summed over samples and outputs: (channels, channels)."""
    part = reading.part(reading.channels >= 0)
    found = part.inputs.new_zeros(channels, channels)
    for channel in part.channels.unique().tolist():
        own = part.channels == channel
        of_inputs = part.inputs[:, own].T @ part.inputs
        of_weights = part.weight[:, own].T @ part.weight
        found[channel].index_add_(0, part.channels, (of_inputs * of_weights).sum(0))
    return found


def contributions_to_outputs(reading: LayerSamples, channels: int) -> Tensor:
    """Products of what each channel adds and of the outputs, less what columns without a channel add: (channels,)."""
    part, others = reading.part(reading.channels >= 0), reading.part(reading.channels < 0)
    wanted = reading.outputs - others.inputs @ others.weight.T
    return _by_channel(part, ((part.inputs.T @ wanted) * part.weight.T).sum(1), channels)


def weight_squares(reading: LayerSamples, channels: int) -> Tensor:
    """The sum of squares of the weights that read each channel: (channels,)."""
    part = reading.part(reading.channels >= 0)
    return _by_channel(part, part.weight.square().sum(0), channels)


def _by_channel(part: LayerSamples, values: Tensor, channels: int) -> Tensor:
    return values.new_zeros(channels).index_add_(0, part.channels, values)


def least_squares(inputs: Tensor, outputs: Tensor, damping: float) -> Tensor:
    """The smallest ``x`` (columns, outputs) that minimises ``|inputs @ x - outputs|^2 + damping * |x|^2``."""
    samples, columns = inputs.shape
    if samples < columns:
        return inputs.T @ solved(inputs @ inputs.T + damping * torch.eye(samples, dtype=inputs.dtype), outputs)
    return solved(inputs.T @ inputs + damping * torch.eye(columns, dtype=inputs.dtype), inputs.T @ outputs)


def solved(gram: Tensor, products: Tensor) -> Tensor:
    """The smallest solution of ``gram @ x = products``, of a matrix of products that need not have full rank."""
    found: Tensor = torch.linalg.pinv(gram, rtol=_RANK, hermitian=True) @ products
    return found
