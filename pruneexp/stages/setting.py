"""What the stages of one job share: the instantiated parts, and the plain configuration that identifies each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from pruneexp.data.dataset import Dataset
from pruneexp.pruning.select import Allocation, Criterion
from pruneexp.training.dropout import DropoutPolicy
from pruneexp.training.dropout_calls import DropoutCall
from pruneexp.training.fit import Epoch
from pruneexp.training.recipe import Recipe
from pruneexp.training.regularizers import Penalty

Weights = Literal["initial", "fresh"]


class Progress(Protocol):
    """Told how far the training of a stage is."""

    def begin(self, stage: str, epochs: int) -> None:
        """A training of so many epochs starts, or goes on."""

    def epoch(self, stage: str, epoch: Epoch) -> None:
        """An epoch is finished."""

    def fraction(self, share: float) -> None:
        """This share of the present epoch is done."""


class Watch(Protocol):
    """Looks on while a stage trains; may end it by raising, and changes nothing."""

    def __call__(self, stage: str, epoch: Epoch, top1: Callable[[], float]) -> None:
        """An epoch is finished; ``top1`` measures the network's accuracy on val, in percent."""


@dataclass(frozen=True)
class Setting:
    """The parts of one job.

    ``network(start)`` builds the network in training mode on ``device``: with its ``initial`` weights (those the dense
    network starts from, pretrained ones included), or with ``fresh`` random ones. ``local_retraining`` is of networks
    with convolutions and linear layers alone. ``dropouts`` are those of ``dropout.calls_of``. ``configs`` holds the
    plain configuration of each part, which is what stage keys are made of. ``layer_flop`` is the dense cost of each
    prunable layer for one image.
    """

    network: Callable[[Weights], nn.Module]
    data: Dataset
    adapt: Callable[[Tensor], Tensor] | None
    input_shape: tuple[int, int, int]
    train: Recipe
    retrain: Recipe
    augment: bool
    train_penalty: Penalty
    retrain_penalty: Penalty
    local_retraining: bool
    dropout: DropoutPolicy
    criterion: Criterion
    allocation: Allocation
    layers: Collection[str]
    min_keep: int
    recalibrate_batchnorm: bool
    seed: int
    device: torch.device
    configs: Mapping[str, Any]
    progress: Progress
    layer_flop: Mapping[str, float]
    evaluation_batch: int = 256
    watch: Watch | None = None
    dropouts: tuple[DropoutCall, ...] = ()

    @property
    def retrain_epochs(self) -> int:
        """Epochs that a retraining spends: local retraining gives each of its halves what is asked."""
        return self.retrain.epochs * (2 if self.local_retraining else 1)

    @property
    def epoch_flop(self) -> float:
        """FLOP of one epoch of training the dense network: forward and backward cost three forwards per image."""
        return 3.0 * sum(self.layer_flop.values()) * len(self.data.train)
