"""What the stages of one job share: its parts, grouped by the work that needs them.

A stage reads what it identifies itself by off the parts, and combines it; no part knows another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from pruneexp.data.dataset import Dataset
from pruneexp.pruning.layers import Kind, PrunableLayer, prunable
from pruneexp.pruning.select import Allocation, Criterion
from pruneexp.stages.parts import Part
from pruneexp.tracing.trace import Trace
from pruneexp.training.dropout import DropoutPolicy, Phase
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
class Observer:
    """``progress`` shows every training to people; ``watch`` may end one. Neither changes a number."""

    progress: Progress
    watch: Watch | None = None


@dataclass(frozen=True)
class Learner:
    """A network and the data it learns, on a device.

    ``input_shape`` (C, H, W) is what the network takes; ``adapt`` brings images into it, where the data have another.
    ``layer_flop`` is the dense cost of each prunable layer for one image, ``flop_total`` that of the whole network,
    products of activations and of other parameters included. ``trace`` is the graph of a pass, None until one has run,
    ``unfollowed`` the operations in it through which dead units are not followed. ``matrices`` are the prunable weights
    beside those of convolutions and linear layers, and their kinds; ``numbers_beside`` and ``bytes_beside`` what the
    network ships beside its prunable weights. ``start_from`` is the digest of the file of weights that dense training
    starts from, empty where there is none.
    """

    model: Part[Callable[[Weights], nn.Module]]
    data: Part[Dataset]
    adapt: Callable[[Tensor], Tensor] | None
    input_shape: tuple[int, int, int]
    device: torch.device
    layer_flop: Mapping[str, float]
    flop_total: float
    trace: Trace | None = None
    unfollowed: Collection[str] = ()
    matrices: Mapping[str, Kind] = field(default_factory=dict)
    numbers_beside: int = 0
    bytes_beside: int = 0
    start_from: str = ""

    evaluation_batch: ClassVar[int] = 256

    def network(self, start: Weights) -> nn.Module:
        """The network in training mode on ``device``, with fresh random weights or with its initial ones.

        Initial are those that dense training starts from, pretrained ones included.
        """
        return self.model.value(start)

    def identity(self, start: Weights) -> dict[str, Any]:
        """What decides the weights of ``network(start)``, but for the seed; penalties act on its ``matrices``."""
        file = {"start_from": self.start_from} if start == "initial" and self.start_from else {}
        matrices = {"matrices": list(self.matrices)} if self.matrices else {}
        return {"model": self.model.identity, **file, **matrices}

    @property
    def fingerprint(self) -> str:
        """That of the data."""
        return self.data.value.fingerprint

    @property
    def flop_beside(self) -> float:
        """FLOP for one image of products without prunable weights, which no pruning saves."""
        return self.flop_total - sum(self.layer_flop.values())

    @property
    def epoch_flop(self) -> float:
        """FLOP of one epoch of training the dense network: forward and backward cost three forwards per image."""
        return 3.0 * self.flop_total * len(self.data.value.train)


@dataclass(frozen=True)
class NetworkDropout:
    """A policy on one network: the ``calls`` of ``dropout.uses_of``, and the rate of each dropout before pruning.

    A network without dropout, which has no rates, does not depend on the policy.
    """

    policy: Part[DropoutPolicy]
    calls: tuple[DropoutCall, ...]
    dense_rates: Mapping[str, float]

    def identity(self, phase: Phase) -> Mapping[str, Any] | None:
        """What decides the rates of a phase: in training, these are the identity themselves."""
        if not self.dense_rates:
            return None
        return dict(self.dense_rates) if phase == "train" else self.policy.identity


@dataclass(frozen=True)
class Regime:
    """How networks are trained in one phase: the dense one and those from scratch, or what pruning left.

    ``local`` retrains linear layers and convolutions one after the other; it is of networks that have both.
    """

    phase: Phase
    recipe: Part[Recipe]
    augment: bool
    penalty: Part[Penalty]
    dropout: NetworkDropout
    local: bool = False

    @property
    def identity(self) -> dict[str, Any]:
        """All of it as a stage's configuration has it, the recipe under the name of the phase."""
        recipe = {**self.recipe.identity, "augment": self.augment}
        if self.phase == "retrain":
            recipe["local"] = self.local
        return {self.phase: recipe, "penalty": self.penalty.identity, "dropout": self.dropout.identity(self.phase)}

    @property
    def epochs(self) -> int:
        """Epochs that one such training spends: a local one gives each of its halves what is asked."""
        return self.recipe.value.epochs * (2 if self.local else 1)

    def lasting(self, epochs: int) -> Regime:
        """The same regime with another number of epochs."""
        return replace(self, recipe=self.recipe.changed(epochs=epochs))


@dataclass(frozen=True)
class Cut:
    """What a mask is made by: only ``layers`` of these kinds lose weights, and each keeps at least ``min_keep``.

    Layers whose names match a pattern of ``exclude`` lose none.
    """

    score: Criterion
    allocation: Allocation
    layers: Collection[str]
    min_keep: int
    exclude: Collection[str] = ()

    def scope(self, network: nn.Module) -> dict[str, PrunableLayer]:
        """The layers of a network that lose weights."""
        return prunable(network, self.layers, self.exclude)


@dataclass(frozen=True)
class Setting:
    """The parts of one job."""

    learner: Learner
    dense: Regime
    retraining: Regime
    cut: Part[Cut]
    recalibrate_batchnorm: bool
    seed: int
    observer: Observer
