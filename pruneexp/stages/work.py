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
from pruneexp.schema import Effort
from pruneexp.stages.setting import Setting
from pruneexp.training import dropout
from pruneexp.training.evaluation import disconnected, evaluate, recalibrate_batchnorm
from pruneexp.training.fit import Epoch, fit
from pruneexp.training.recipe import Recipe
from pruneexp.training.regularizers import Penalty
from pruneexp.training.snapshot import Checkpointer


@dataclass(frozen=True)
class Training:
    """One call of ``fit`` within a stage; ``stage`` names it to people."""

    stage: str
    recipe: Recipe
    penalty: Penalty
    phase: dropout.Phase
    seed: int
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
    setting: Setting, network: nn.Module, training: Training, masks: MaskSet | None, checkpoint: Checkpointer
) -> Trained:
    """Train in place."""
    densities = masks.densities() if masks is not None else {}

    def report(epoch: Epoch) -> None:
        setting.progress.epoch(training.stage, epoch)
        if setting.watch is not None:
            setting.watch(training.stage, epoch, lambda: float(_score(setting, network, setting.data.val)["top1"]))

    setting.progress.begin(training.stage, training.recipe.epochs)
    with dropout.applied(network, setting.dropout, training.phase, densities, setting.dropouts):
        done = fit(
            network,
            setting.data.train,
            training.recipe,
            seed=training.seed,
            masks=masks,
            penalty=training.penalty,
            frozen=training.frozen,
            augment=setting.augment,
            device=setting.device,
            adapt=setting.adapt,
            checkpoint=checkpoint,
            on_epoch=report,
            on_fraction=setting.progress.fraction,
        )
    flop = 3.0 * masked_flop(setting, masks) * len(setting.data.train) * done.epochs
    return Trained(done.losses, flop, done.seconds)


def scores(setting: Setting, network: nn.Module) -> dict[str, Any]:
    """Scores on val and test, as they stand in records."""
    return {"val": _score(setting, network, setting.data.val), "test": _score(setting, network, setting.data.test)}


def val_score(setting: Setting, network: nn.Module) -> dict[str, Any]:
    """The score on val alone, as it stands in records."""
    return {"val": _score(setting, network, setting.data.val)}


def activity(setting: Setting, network: nn.Module) -> dict[str, Any]:
    """What a network does with the images of val, and the device it did that on, as they stand in records.

    That is the share of non-zero activations, and whether its outputs depend on the images at all.
    """
    val, device, adapt = setting.data.val, setting.device, setting.adapt
    measured = activations(network, val, device=device, adapt=adapt)
    apart = disconnected(network, val, device=device, adapt=adapt)
    return {"activations": asdict(measured), "disconnected": apart, "device": device.type}


def recalibrate(setting: Setting, network: nn.Module) -> None:
    """Re-estimate the statistics of batch normalisation on training images, in place."""
    recalibrate_batchnorm(network, setting.data.train, seed=setting.seed, device=setting.device, adapt=setting.adapt)


def artefact(setting: Setting, network: nn.Module, done: Sequence[Trained]) -> Artefact:
    """What a stage that trained a network leaves: its weights, and the record that points are made of."""
    losses = [loss for part in done for loss in part.losses]
    record = {
        **scores(setting, network),
        **activity(setting, network),
        "losses": losses,
        "effort": effort(
            epochs=len(losses), flop=sum(part.flop for part in done), seconds=sum(part.seconds for part in done)
        ),
    }
    return Artefact({name: tensor.detach() for name, tensor in network.state_dict().items()}, record)


def masked_flop(setting: Setting, masks: MaskSet | None) -> float:
    """FLOP of one forward pass for one image when pruned weights cost nothing; activations are taken as dense."""
    densities = masks.densities() if masks is not None else {}
    return sum(flop * densities.get(layer, 1.0) for layer, flop in setting.layer_flop.items())


def effort(*, epochs: float = 0.0, flop: float = 0.0, seconds: float) -> dict[str, Any]:
    """The cost of one computed stage, as it stands in records."""
    return asdict(Effort(epochs=epochs, flop=flop, seconds=seconds, stages=1))


def _score(setting: Setting, network: nn.Module, split: Source) -> dict[str, Any]:
    batch = setting.evaluation_batch
    return asdict(evaluate(network, split, device=setting.device, adapt=setting.adapt, batch_size=batch))
