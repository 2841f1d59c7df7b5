"""What every stage does with a network: load it, train it, score it, account for it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from pruneexp.cache.store import Artefact
from pruneexp.cost.activations import activations
from pruneexp.errors import UserError
from pruneexp.pruning.masks import MaskSet
from pruneexp.schema import Effort
from pruneexp.stages.setting import Setting
from pruneexp.training import dropout
from pruneexp.training.evaluation import evaluate
from pruneexp.training.fit import Epoch, fit
from pruneexp.training.recipe import Recipe
from pruneexp.training.regularizers import Penalty
from pruneexp.training.snapshot import Checkpoint


@dataclass(frozen=True)
class Training:
    """One call of ``fit`` within a stage; ``stage`` names it to people."""

    stage: str
    recipe: Recipe
    penalty: Penalty
    phase: dropout.Phase
    seed: int
    frozen: Collection[str] = ()


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
    setting: Setting, network: nn.Module, training: Training, masks: MaskSet | None, checkpoint: Checkpoint
) -> list[float]:
    """Train in place; the mean loss of each epoch."""
    densities = masks.densities() if masks is not None else {}

    def report(epoch: Epoch) -> None:
        setting.progress.epoch(training.stage, epoch)

    with dropout.applied(network, setting.dropout, training.phase, densities):
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
    return list(done.losses)


def scores(setting: Setting, network: nn.Module) -> dict[str, Any]:
    """Scores on val and test, as they stand in records."""
    found: dict[str, Any] = {}
    for split, source in (("val", setting.data.val), ("test", setting.data.test)):
        score = evaluate(
            network, source, device=setting.device, adapt=setting.adapt, batch_size=setting.evaluation_batch
        )
        found[split] = asdict(score)
    return found


def trained(
    setting: Setting, network: nn.Module, losses: Sequence[float], masks: MaskSet | None, started: float
) -> Artefact:
    """The artefact of a stage that trained a network: its weights, and the record that points are made of."""
    seconds = time.perf_counter() - started
    flop = 3.0 * masked_flop(setting, masks) * len(setting.data.train) * len(losses)
    measured = activations(network, setting.data.val, device=setting.device, adapt=setting.adapt)
    record = {
        **scores(setting, network),
        "losses": list(losses),
        "activations": asdict(measured),
        "effort": effort(epochs=len(losses), flop=flop, seconds=seconds),
    }
    return Artefact({name: tensor.detach() for name, tensor in network.state_dict().items()}, record)


def masked_flop(setting: Setting, masks: MaskSet | None) -> float:
    """FLOP of one forward pass for one image when pruned weights cost nothing; activations are taken as dense."""
    densities = masks.densities() if masks is not None else {}
    return sum(flop * densities.get(layer, 1.0) for layer, flop in setting.layer_flop.items())


def effort(*, epochs: float = 0.0, flop: float = 0.0, seconds: float) -> dict[str, Any]:
    """The cost of one computed stage, as it stands in records."""
    return asdict(Effort(epochs=epochs, flop=flop, seconds=seconds, stages=1))
