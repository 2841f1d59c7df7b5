"""Statistics that a criterion asks for: what the network that is cut does with calibration batches of train."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.errors import UserError
from pruneexp.pruning.informed import STATISTICS, InformedCriterion
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.reconstruction import Reconstruction
from pruneexp.pruning.scales import scales_of_blocks, scales_of_channels
from pruneexp.pruning.select import Criterion
from pruneexp.pruning.units.unit import NetworkUnit
from pruneexp.stages.graph import Stage, StageKind
from pruneexp.stages.setting import Setting
from pruneexp.stages.work import effort, load
from pruneexp.training.calibration import calibrated
from pruneexp.training.seeding import generator

VERSION = 1

MEASURED = StageKind("statistics", "to measure", "prune")


def statistics(setting: Setting, source: Stage) -> tuple[Stage, ...]:
    """What the criteria of a cut must be told of the network of ``source``: one stage, or none where they need nothing.

    Raises:
        UserError: the criteria ask for unknown statistics, or for more batches than there are.
    """
    wanted = wanted_statistics(setting)
    if not wanted:
        return ()
    cut, batches, size = setting.cut.value, _batches(setting), setting.dense.recipe.value.batch_size
    images = batches * size

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        started, learner = time.perf_counter(), setting.learner
        network = load(learner.network("fresh"), parents[0].tensors, f"the stored {source.kind} network")
        found = measured(setting, network, drawn(setting, batches))
        tensors = {f"{name}/{layer}": tensor for name in found for layer, tensor in found[name].items()}
        passes = 1.0 if wanted == ("input_norms",) else 3.0  # a backward pass costs two forward ones
        flop = passes * learner.costs.flop_total * images
        return Artefact(tensors, {"effort": effort(flop=flop, seconds=time.perf_counter() - started)})

    config = {
        "statistics": list(wanted),
        "batches": batches,
        "batch_size": size,
        "layers": list(cut.layers),
        "exclude": list(cut.exclude),
        "seed": setting.seed,
    }
    return (Stage(MEASURED, VERSION, config, setting.learner.fingerprint, make, (source,)),)


def measured(
    setting: Setting, network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]
) -> dict[str, dict[str, Tensor]]:
    """All statistics that the criteria of a cut ask for, of these batches and of the network alone.

    Raises:
        UserError: one cannot be measured.
    """
    learner, cut, wanted = setting.learner, setting.cut.value, wanted_statistics(setting)
    scope, of_batches = cut.scope(network), [name for name in wanted if name not in ("channel_scales", "block_scales")]
    found = calibrated(network, batches, learner.task.value, scope, of_batches) if of_batches else {}
    if "channel_scales" in wanted:
        if not isinstance(cut.unit, NetworkUnit) or learner.trace is None:
            raise UserError(
                "the scales of batch normalisation score channels: criterion.unit is to be that of criterion=slimming"
            )
        makers = prunable(network, cut.layers, cut.exclude)
        found["channel_scales"] = scales_of_channels(network, learner.trace, makers)
    if "block_scales" in wanted:
        found["block_scales"] = scales_of_blocks(network, scope)
    return found


def criteria(setting: Setting, artefacts: Sequence[Artefact]) -> tuple[Criterion, Criterion | None]:
    """The criterion of a cut and that of its proportions, told of what the stage of ``statistics`` measured."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in (pair for artefact in artefacts for pair in artefact.tensors.items()):
        statistic, _, layer = name.partition("/")
        found.setdefault(statistic, {})[layer] = tensor
    score, proportions = setting.cut.value.score, setting.cut.value.proportions
    return informed(score, found), None if proportions is None else informed(proportions, found)


def informed(criterion: Criterion | InformedCriterion, found: Mapping[str, Mapping[str, Tensor]]) -> Criterion:
    """The criterion itself, or what it makes of the statistics that it asked for."""
    return criterion.informed(found) if isinstance(criterion, InformedCriterion) else criterion


def wanted_statistics(setting: Setting) -> tuple[str, ...]:
    """The names of all statistics that the criteria of a cut ask for, each once.

    Raises:
        UserError: a name is unknown.
    """
    wanted = {name for each in _asking(setting) for name in each.statistics}
    if unknown := wanted - {*STATISTICS}:
        raise UserError(
            f"the criterion asks for the statistics {', '.join(sorted(unknown))}; there are {', '.join(STATISTICS)}"
        )
    return tuple(name for name in STATISTICS if name in wanted)


def check_calibration(setting: Setting) -> None:
    """Check that there are the calibration batches that the criteria of a cut ask for, if any.

    Raises:
        UserError: they ask for different numbers of them, or for more than there are.
    """
    score, size = setting.cut.value.score, setting.dense.recipe.value.batch_size
    batches = score.batches if isinstance(score, Reconstruction) else 0
    if wanted_statistics(setting):
        batches = max(batches, _batches(setting))
    there, examples = len(setting.learner.data.value.train), setting.learner.task.value.examples
    if batches * size > there:
        raise UserError(
            f"the calibration data run out: criterion.score.batches={batches}, of train.batch_size={size} {examples} "
            f"each, are {batches * size}, and train has {there}: at most {there // size} batches"
        )


def _asking(setting: Setting) -> list[InformedCriterion]:
    cut = setting.cut.value
    return [each for each in (cut.score, cut.proportions) if isinstance(each, InformedCriterion)]


def _batches(setting: Setting) -> int:
    asked = {each.batches for each in _asking(setting) if each.batches}
    if len(asked) > 1:
        raise UserError(
            f"criterion.score and criterion.proportions ask for {' and '.join(map(str, sorted(asked)))} batches: "
            "statistics are measured once, so give both the same number"
        )
    return asked.pop() if asked else 0


def drawn(setting: Setting, batches: int) -> Iterator[tuple[Tensor, Tensor]]:
    """So many calibration batches, as the network takes them."""
    learner, size = setting.learner, setting.dense.recipe.value.batch_size
    train = learner.data.value.train
    order = torch.randperm(len(train), generator=generator(setting.seed, "calibration"))[: batches * size]
    for inputs, targets in train.batches(size, learner.device, order=order):
        yield inputs if learner.adapt is None else learner.adapt(inputs), targets
