"""What every stage does with a network: load it, score it, account for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from pruneexp.cache.store import Artefact
from pruneexp.cost.activations import activations
from pruneexp.cost.counts import count_layers
from pruneexp.data.dataset import Source
from pruneexp.errors import UserError
from pruneexp.pruning.edits.edit import Edit
from pruneexp.pruning.enforcement import edit_tensors, under
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.liveness import liveness
from pruneexp.pruning.masks import MaskSet
from pruneexp.schema import Effort, Score, flatten
from pruneexp.stages.setting import Learner
from pruneexp.tracing.graphs import tensors_of
from pruneexp.training.evaluation import disconnected, evaluate, recalibrate_batchnorm

#: In the results of stages: what an edit became that a training may change, beside the network's own tensors.
EDIT = "edit/"

#: In the results of cuts: the parameters that a cut has changed, beside its masks.
CHANGED = "changed/"


@dataclass(frozen=True)
class Trained:
    """What one training came to, earlier sessions of an interrupted one included.

    ``losses`` are the means of the epochs; FLOP those of the masked network, forward and backward, which the dense
    kernels that run it exceed; ``seconds`` are of training, the scores of its epochs included. ``edit`` is what became
    of that of the beginning, None for fixed masks. ``scores`` on val and learning ``rates`` are those at the ends of
    the epochs.
    """

    losses: Sequence[float]
    flop: float
    seconds: float
    edit: Edit | None = None
    scores: Sequence[float] = ()
    rates: Sequence[float] = ()


def load(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> nn.Module:
    """Load a state dict, the one in a stage's result.

    Raises:
        UserError: the tensors belong to another architecture; names the first difference.
    """
    own, tensors = network.state_dict(), {n: t for n, t in tensors.items() if not n.startswith(EDIT)}
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


def masks_of(cut: Artefact) -> MaskSet:
    """The masks of a cut."""
    return MaskSet.from_tensors({n: tensor for n, tensor in cut.tensors.items() if not n.startswith(CHANGED)})


def changed_by(cut: Artefact) -> dict[str, Tensor]:
    """The parameters that a cut has changed, by name."""
    return under(cut.tensors, CHANGED)


def scored(learner: Learner, network: nn.Module, split: Source) -> Score:
    """The score of a network on one split."""
    return evaluate(
        network,
        split,
        device=learner.device,
        task=learner.task.value,
        adapt=learner.adapt,
        batch_size=learner.evaluation_batch,
    )


def scores(learner: Learner, network: nn.Module) -> dict[str, Any]:
    """Scores on val and test, as they stand in records."""
    return {**val_score(learner, network), "test": flatten(scored(learner, network, learner.data.value.test))}


def val_score(learner: Learner, network: nn.Module) -> dict[str, Any]:
    """The score on val alone, as it stands in records."""
    return {"val": flatten(scored(learner, network, learner.data.value.val))}


def val_value(learner: Learner, network: nn.Module) -> float:
    """The primary metric on val, for what listens to a training."""
    return scored(learner, network, learner.data.value.val)[learner.task.value.metrics[0].name]


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
        "rates": [rate for training in done for rate in training.rates],
        "effort": effort(epochs=len(losses), flop=flop, seconds=seconds),
    }
    if learner.scores_epochs:
        record["scores"] = [score for training in done for score in training.scores]
    tensors = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    edit = done[-1].edit if done else None
    if edit is not None:
        record |= {"counts": counted(learner, network, edit)}
        tensors |= {EDIT + name: tensor for name, tensor in edit_tensors(edit).items()}
    return Artefact(tensors, record)


def counted(learner: Learner, network: nn.Module, edit: Edit) -> list[dict[str, Any]]:
    """What an edit leaves of each layer of a network, as it stands in records."""
    assert learner.trace is not None
    masks = edit.masks
    kept = {layer.parameter: masks[name] for name, layer in prunable(network).items() if name in masks}
    effective = liveness(learner.trace, tensors_of(network), kept).effective
    return [asdict(count) for count in count_layers(network, masks, effective, edit.value_bits())]


def masked_flop(learner: Learner, masks: MaskSet | None) -> float:
    """FLOP of one forward pass for one input when pruned weights cost nothing; activations are taken as dense.

    Products of activations, and those with parameters that no mask is for, cost what they cost the dense network.
    """
    densities = masks.densities() if masks is not None else {}
    left = sum(flop * densities.get(layer, 1.0) for layer, flop in learner.costs.layer_flop.items())
    return left + learner.costs.flop_beside


def effort(*, epochs: float = 0.0, flop: float = 0.0, seconds: float) -> dict[str, Any]:
    """The cost of one computed stage, as it stands in records."""
    return asdict(Effort(epochs=epochs, flop=flop, seconds=seconds, stages=1))
