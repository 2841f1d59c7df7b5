"""Criteria that need to know what a network does with training data. Knows neither networks nor data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, get_args, runtime_checkable

from torch import Tensor

from pruneexp.pruning.select import Criterion

#: Over some batches, the mean of the loss's ``gradients``, the mean of their squares, and the norms of the inputs that
#: each weight meets, sqrt(sum of x^2): of a linear layer by feature, of a convolution by channel. Of the network alone,
#: the factors of channels and of residual blocks (``pruning.scales``).
Statistic = Literal["gradients", "squared_gradients", "input_norms", "channel_scales", "block_scales"]

STATISTICS: tuple[Statistic, ...] = get_args(Statistic)

#: By statistic, then by layer: tensors in the shape of its weight, or in one that broadcasts to it.
Statistics = Mapping[str, Mapping[str, Tensor]]


@runtime_checkable
class InformedCriterion(Protocol):
    """Says which ``statistics`` of how many calibration ``batches`` of train it needs, and makes a criterion of them.

    The network is the one that is cut, in evaluation mode; the batches have the size of those of training, and are
    drawn from (seed, "calibration"). One that needs none, as statistics are of the network alone, says 0.
    """

    @property
    def statistics(self) -> Sequence[Statistic]: ...

    @property
    def batches(self) -> int: ...

    def informed(self, statistics: Statistics) -> Criterion:
        """The criterion that these tell of; its weights are those of the network that they were measured on."""
        ...


def check_count(value: object, name: str) -> None:
    """Raise a ``ValueError`` for a value of this name that is no whole number of at least 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} is {value}, must be a whole number of at least 1")
