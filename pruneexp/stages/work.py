"""What every stage does with a network: load it, train it, score it, account for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from pruneexp.cache.store import Artefact
from pruneexp.cost.activations import activations
from pruneexp.data.dataset import Source
from pruneexp.errors import UserError
from pruneexp.pruning.masks import MaskSet
from pruneexp.schema import Effort, flatten
from pruneexp.stages.setting import Learner, Observer, Regime
from pruneexp.training import dropout
from pruneexp.training.evaluation import disconnected, evaluate, recalibrate_batchnorm
from pruneexp.training.fit import Epoch, fit
from pruneexp.training.snapshot import Checkpointer


@dataclass(frozen=True)
class Training:
    """One call of ``fit`` within a stage; ``stage`` names it to people."""

    stage: str
    regime: Regime
    seed: int
    observer: Observer
    frozen: Collection[str] = ()


@dataclass(frozen=True)
class Trained:
    """What one call of ``fit`` came to, earlier sessions of an interrupted one included.

    ``losses`` are the means of the epochs; FLOP those of the masked network, forward and backward, which the dense
    kernels that run it exceed; ``seconds`` are of training alone.
    """

    losses: Sequence[float]
    flop: float
    seconds: float


def load(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> nn.Module:
    """Load a state dict.

    Raises:
        UserError: the tensors belong to another architecture; names the first difference.
    """
    own = network.state_dict()
    for name in own:
        if name not in tensors:
            raise UserError(f"{source} belongs to another architecture: it has no {name}")
        if own[name].shape != tensors[name].shape:
            raise UserError(
                f"{source} belongs to another architecture: {name} has shape {tuple(tensors[name].shape)} there "
                f"and {tuple(own[name].shape)} in this network"
            )
    for name in tensors:
        if name not in own:
            raise UserError(f"{source} belongs to another architecture: this network has no {name}")
    network.load_state_dict(dict(tensors))
    return network


def train(
    learner: Learner, network: nn.Module, training: Training, masks: MaskSet | None, checkpoint: Checkpointer
) -> Trained:
    """Train in place."""
    regime, observer, data = training.regime, training.observer, learner.data.value
    densities = masks.densities() if masks is not None else {}
    primary = learner.task.value.metrics[0].name

    def report(epoch: Epoch) -> None:
        observer.progress.epoch(training.stage, epoch)
        if observer.watch is not None:
            observer.watch(training.stage, epoch, lambda: float(_score(learner, network, data.val)[primary]))

    observer.progress.begin(training.stage, regime.recipe.value.epochs)
    drops = regime.dropout
    with dropout.applied(network, drops.policy.value, regime.phase, densities, drops.calls):
        done = fit(
            network,
            data.train,
            regime.recipe.value,
            seed=training.seed,
            task=learner.task.value,
            masks=masks,
            penalty=regime.penalty.value,
            frozen=training.frozen,
            augment=regime.augment,
            device=learner.device,
            adapt=learner.adapt,
            checkpoint=checkpoint,
            on_epoch=report,
            on_fraction=observer.progress.fraction,
        )
    flop = 3.0 * masked_flop(learner, masks) * len(data.train) * done.epochs
    return Trained(done.losses, flop, done.seconds)


def scores(learner: Learner, network: nn.Module) -> dict[str, Any]:
    """Scores on val and test, as they stand in records."""
    return {**val_score(learner, network), "test": _score(learner, network, learner.data.value.test)}


def val_score(learner: Learner, network: nn.Module) -> dict[str, Any]:
    """The score on val alone, as it stands in records."""
    return {"val": _score(learner, network, learner.data.value.val)}


def activity(learner: Learner, network: nn.Module) -> dict[str, Any]:
    """What a network does with the inputs of val, and the device it did that on, as they stand in records.

    That is the share of non-zero activations, and whether its outputs depend on the inputs at all.
    """
    val, device, adapt = learner.data.value.val, learner.device, learner.adapt
    measured = activations(network, val, device=device, adapt=adapt)
    apart = disconnected(network, val, device=device, adapt=adapt)
    return {"activations": asdict(measured), "disconnected": apart, "device": device.type}


def recalibrate(learner: Learner, network: nn.Module, seed: int) -> None:
    """Re-estimate the statistics of batch normalisation on training images, in place."""
    recalibrate_batchnorm(network, learner.data.value.train, seed=seed, device=learner.device, adapt=learner.adapt)


def artefact(learner: Learner, network: nn.Module, done: Sequence[Trained]) -> Artefact:
    """What a stage that trained a network leaves: its weights, and the record that points are made of."""
    losses = [loss for training in done for loss in training.losses]
    flop = sum(training.flop for training in done)
    seconds = sum(training.seconds for training in done)
    record = {
        **scores(learner, network),
        **activity(learner, network),
        "losses": losses,
        "effort": effort(epochs=len(losses), flop=flop, seconds=seconds),
    }
    return Artefact({name: tensor.detach() for name, tensor in network.state_dict().items()}, record)


def masked_flop(learner: Learner, masks: MaskSet | None) -> float:
    """FLOP of one forward pass for one input when pruned weights cost nothing; activations are taken as dense."""
    densities = masks.densities() if masks is not None else {}
    return sum(flop * densities.get(layer, 1.0) for layer, flop in learner.layer_flop.items())


def effort(*, epochs: float = 0.0, flop: float = 0.0, seconds: float) -> dict[str, Any]:
    """The cost of one computed stage, as it stands in records."""
    return asdict(Effort(epochs=epochs, flop=flop, seconds=seconds, stages=1))


def _score(learner: Learner, network: nn.Module, split: Source) -> dict[str, Any]:
    found = evaluate(
        network,
        split,
        device=learner.device,
        task=learner.task.value,
        adapt=learner.adapt,
        batch_size=learner.evaluation_batch,
    )
    return flatten(found)
