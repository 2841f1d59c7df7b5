"""What the stages of one job share: its parts, grouped by the work that needs them.

A stage reads what it identifies itself by off the parts, and combines it; no part knows another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from pruneexp.cost.network import NetworkCosts
from pruneexp.data.dataset import Dataset
from pruneexp.errors import UserError
from pruneexp.pruning.edits.edit import Edit, Editor
from pruneexp.pruning.informed import InformedCriterion
from pruneexp.pruning.layers import Kind, PrunableLayer, prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.select import Allocation, Criterion
from pruneexp.pruning.units.unit import NetworkUnit, Unit, Units
from pruneexp.stages.parts import Part
from pruneexp.tasks.task import Task
from pruneexp.tracing.trace import Trace
from pruneexp.training.distillation import Distillation
from pruneexp.training.dropout import DropoutPolicy, Phase
from pruneexp.training.dropout_calls import DropoutCall
from pruneexp.training.events import Listener, TrainingEvent
from pruneexp.training.recipe import Recipe
from pruneexp.training.regularizers import CombinedPenalty, Penalty
from pruneexp.training.seeding import generator
from pruneexp.training.trainer import Trainer

Weights = Literal["initial", "fresh"]


@dataclass(frozen=True)
class Learner:
    """A network, the data it learns and the task that they are for, on a device.

    ``input_shape`` is that of one input as the network takes it, (C, H, W) of an image; ``adapt`` brings images into
    it, where the data have another. ``costs`` are those of the dense network. ``trace`` is the graph of a pass, None
    until one has run, ``unfollowed`` the operations in it through which dead units are not followed. ``matrices`` are
    the prunable weights beside those of convolutions and linear layers, and their kinds. ``start_from`` is the digest
    of the file of weights that dense training starts from, empty where there is none; parameters that
    ``start_from_except`` names do not. Where ``scores_epochs``, what listens to a training is told the score on val
    after each epoch.
    """

    model: Part[Callable[[Weights], nn.Module]]
    data: Part[Dataset]
    task: Part[Task]
    adapt: Callable[[Tensor], Tensor] | None
    input_shape: tuple[int, ...]
    device: torch.device
    costs: NetworkCosts = field(default_factory=NetworkCosts)
    trace: Trace | None = None
    unfollowed: Collection[str] = ()
    matrices: Mapping[str, Kind] = field(default_factory=dict)
    start_from: str = ""
    start_from_except: tuple[str, ...] = ()
    scores_epochs: bool = True

    evaluation_batch: ClassVar[int] = 256

    def network(self, start: Weights) -> nn.Module:
        """The network in training mode on ``device``, with fresh random weights or with its initial ones.

        Initial are those that dense training starts from, pretrained ones included.
        """
        return self.model.value(start)

    def identity(self, start: Weights) -> dict[str, Any]:
        """What decides the weights of ``network(start)`` and what they learn, but for the seed.

        Penalties act on its ``matrices``. Classification, the task of data sets that name none, has an empty identity,
        and stands in no key.
        """
        given = {"start_from": self.start_from, "start_from_except": list(self.start_from_except)}
        file = {key: value for key, value in given.items() if start == "initial" and value}
        matrices = {"matrices": list(self.matrices)} if self.matrices else {}
        task = {"task": self.task.identity} if self.task.identity else {}
        return {"model": self.model.identity, **task, **file, **matrices}

    def example(self, count: int, purpose: str) -> tuple[Tensor, Tensor]:
        """A batch of inputs as the network takes them, and targets, drawn for a purpose; on ``device``."""
        inputs, targets = self.task.value.example(self.data.value, self.input_shape, count, generator(0, purpose))
        return inputs.to(self.device), targets.to(self.device)

    @property
    def fingerprint(self) -> str:
        """That of the data."""
        return self.data.value.fingerprint

    @property
    def epoch_flop(self) -> float:
        """FLOP of one epoch of training the dense network: forward and backward cost three forwards per input."""
        return 3.0 * self.costs.flop_total * len(self.data.value.train)


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

    ``local`` retrains linear layers and convolutions one after the other; it is of networks that have both. The
    identity of ``trainer`` is empty where that is ``single``. With a ``distillation`` the dense network teaches.
    """

    phase: Phase
    recipe: Part[Recipe]
    augment: bool
    penalty: Part[Penalty | CombinedPenalty]
    dropout: NetworkDropout
    trainer: Part[Trainer]
    local: bool = False
    distillation: Distillation | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """All of it as a stage's configuration has it, the recipe under the name of the phase."""
        recipe = {**self.recipe.identity, "augment": self.augment}
        if self.phase == "retrain":
            recipe["local"] = self.local
        if self.distillation is not None:
            recipe["distillation"] = asdict(self.distillation)
        if self.trainer.identity:
            recipe["trainer"] = self.trainer.identity
        return {self.phase: recipe, "penalty": self.penalty.identity, "dropout": self.dropout.identity(self.phase)}

    def teaching_flop(self, flop: float) -> float:
        """What the teacher costs where a pass of the dense network costs ``flop``: one pass for each input."""
        return flop if self.distillation is not None else 0.0

    @property
    def epochs(self) -> int:
        """Epochs that one such training spends: a local one gives each of its halves what is asked."""
        return self.recipe.value.epochs * (2 if self.local else 1)

    def lasting(self, epochs: int) -> Regime:
        """The same regime with another number of epochs."""
        return replace(self, recipe=self.recipe.changed(epochs=epochs))

    def until(self, epoch: int) -> Regime:
        """The regime of the first epochs of this course; raises as ``since`` does."""
        return self._part(0, self._inside(epoch))

    def since(self, epoch: int) -> Regime:
        """The regime of what follows the first epochs of this course; the whole course since epoch 0.

        Raises:
            UserError: nothing follows.
        """
        return self if epoch == 0 else self._part(self._inside(epoch), self.recipe.value.epochs)

    def _inside(self, epoch: int) -> int:
        whole = self.recipe.value.epochs
        if not isinstance(epoch, int) or not 0 <= epoch < whole:
            raise UserError(
                f"mode.epoch={epoch}: dense training has {whole} epochs (train.epochs), "
                f"so that allowed is a whole number from 0 to {max(0, whole - 1)}"
            )
        return epoch

    def _part(self, begin: int, end: int) -> Regime:
        course = self.recipe.value.epochs
        return replace(self, recipe=self.recipe.changed(epochs=end - begin, first=begin, course=course))


@dataclass(frozen=True)
class Cut:
    """What a mask is made by: only ``layers`` of these kinds lose weights, and each keeps at least ``min_keep``.

    Layers whose names match a pattern of ``exclude`` lose none. Weights are kept or pruned one by one, or by ``unit``:
    by one of a whole network, these layers alone lose outputs, and any layer what reads them. ``editor`` says what
    becomes of those that are kept; without one, nothing does. Layers share the budget by the scores of ``proportions``;
    without one, by ``score``.
    """

    score: Criterion | InformedCriterion
    allocation: Allocation
    layers: Collection[str]
    min_keep: int
    exclude: Collection[str] = ()
    unit: Unit | NetworkUnit | None = None
    editor: Editor | None = None
    proportions: Criterion | InformedCriterion | None = None

    def edited(self, network: nn.Module, masks: MaskSet) -> Edit:
        """The edit of a network with the weights that were cut; the masks themselves where there is no ``editor``."""
        weights = {name: layer.weight.detach() for name, layer in self.scope(network).items()}
        return masks if self.editor is None else self.editor.edit(weights, masks)

    def scope(self, network: nn.Module) -> dict[str, PrunableLayer]:
        """The layers of a network that lose weights."""
        if isinstance(self.unit, NetworkUnit):
            return prunable(network)
        return prunable(network, self.layers, self.exclude)

    def units(self, network: nn.Module, trace: Trace | None) -> Unit | Units | None:
        """What is kept or pruned as a whole in a network, of which this is the graph of a pass.

        Raises:
            UserError: it has no such units.
        """
        if not isinstance(self.unit, NetworkUnit):
            return self.unit
        assert trace is not None
        return self.unit.grouping(trace, network, prunable(network, self.layers, self.exclude))


@dataclass(frozen=True)
class Setting:
    """The parts of one job.

    ``scratch`` is how what a cut left is trained from other weights: as the dense network was, under a penalty of its
    own where that has one. ``listeners`` are told what happens in every training; they change no number.
    """

    learner: Learner
    dense: Regime
    retraining: Regime
    scratch: Regime
    cut: Part[Cut]
    recalibrate_batchnorm: bool
    seed: int
    listeners: tuple[Listener, ...] = ()

    def tell(self, event: TrainingEvent) -> None:
        """Hand an event to each listener, in order."""
        for listener in self.listeners:
            listener(event)
