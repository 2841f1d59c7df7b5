"""Masks: which weights survive a budget, what that leaves of the network, and how well it does before retraining."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from torch import nn

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.cost.smaller import smaller_costs
from pruneexp.pruning.enforcement import Enforcement, masks_in, under
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.reconstruction import Reconstruction
from pruneexp.pruning.select import Selection, select
from pruneexp.pruning.units.unit import NetworkUnit
from pruneexp.schema import Budget
from pruneexp.stages.graph import Stage, StageKind
from pruneexp.stages.reconstruct import Reconstructed, reconstruct
from pruneexp.stages.setting import Setting
from pruneexp.stages.statistics import criteria, statistics
from pruneexp.stages.work import (
    CHANGED,
    EDIT,
    activity,
    counted,
    effort,
    load,
    masks_of,
    recalibrate,
    scores,
    val_score,
)
from pruneexp.training.seeding import generator

VERSION = 3

MASK = StageKind("mask", "to cut", "prune", cuts=True)
PROBE = StageKind("probe", "to cut and score", "prune", cuts=True, inherits=True)


def prune(setting: Setting, source: Stage, budget: Budget, previous: Stage | None) -> Stage:
    """Cut the network of ``source`` to ``budget``; only survivors of the mask ``previous`` may survive again.

    The scores before retraining are those of the masked network as it is, or with re-estimated BatchNorm statistics
    where the setting says so. Weights that the cut has changed stand beside the masks (``work.changed_by``).
    """
    cut_of = (source,) if previous is None else (source, previous)

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        survivors = _survivors(*parents[:2]) if previous is not None else None
        told = parents[len(cut_of) :]
        network, done, record = _cut(setting, source, parents[0], budget, survivors, told, checkpoint)
        tensors = network.state_dict()
        changed = {CHANGED + name: tensors[name].cpu() for name in done.changed}
        return Artefact({**done.masks.to_tensors(), **changed}, {**scores(setting.learner, network), **record})

    parents = (*cut_of, *statistics(setting, source))
    return Stage(MASK, VERSION, _identity(setting, budget), setting.learner.fingerprint, make, parents)


def probe(setting: Setting, source: Stage, budget: Budget) -> Stage:
    """Cut like ``prune``, score on val alone and measure activations, but keep no mask.

    For searches, which cut hundreds of times and retrain few: the mask of a probe is that of the ``prune`` of the same
    setting and budget, and can be cut again. A search never looks at the test split.
    """

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        network, _, record = _cut(setting, source, parents[0], budget, None, parents[1:], checkpoint)
        learner = setting.learner
        return Artefact({}, {**val_score(learner, network), **activity(learner, network), **record})

    parents = (source, *statistics(setting, source))
    return Stage(PROBE, VERSION, _identity(setting, budget), setting.learner.fingerprint, make, parents)


def _survivors(source: Artefact, mask: Artefact) -> MaskSet:
    """The weights that are left to cut: those of a training that changed its masks, or else of the last cut."""
    return masks_in(under(source.tensors, EDIT)) or masks_of(mask)


def _identity(setting: Setting, budget: Budget) -> dict[str, Any]:
    looks = isinstance(setting.cut.value.score, Reconstruction)  # at batches of train, whose size no parent need say
    return {
        "criterion": setting.cut.identity,
        "budget": asdict(budget),
        "seed": setting.seed,
        "batchnorm": "recalibrated" if setting.recalibrate_batchnorm else "as is",
        **({"batch_size": setting.dense.recipe.value.batch_size} if looks else {}),
    }


def _cut(
    setting: Setting,
    source: Stage,
    weights_of_source: Artefact,
    budget: Budget,
    survivors: MaskSet | None,
    measured: Sequence[Artefact],
    checkpoint: Checkpoint,
) -> tuple[nn.Module, Reconstructed, dict[str, Any]]:
    """The masked network, its masks with what else was changed, and what a record says of it."""
    learner, cut = setting.learner, setting.cut.value
    started = time.perf_counter()
    network = load(learner.network("fresh"), weights_of_source.tensors, f"the stored {source.kind} network")
    selection, done = _selected(setting, network, budget, survivors, measured, checkpoint)
    edit = cut.edited(network, done.masks.to(learner.device))
    enforcement = Enforcement(network, edit)
    enforcement.before_step(1.0)  # as it is in the end, where a training would change it
    enforcement.apply_()
    seconds = time.perf_counter() - started
    counts = counted(learner, network, enforcement.edit)
    if setting.recalibrate_batchnorm:
        recalibrate(learner, network, setting.seed)
    record = {
        "density_scope": done.masks.density,
        "collapsed": list(selection.collapsed),
        "qualities": dict(selection.qualities),
        "counts": counts,
        "effort": effort(flop=done.flop, seconds=seconds),
    }
    if isinstance(cut.unit, NetworkUnit) and learner.trace is not None:
        record["removed"] = smaller_costs(learner.trace, network, done.masks)
    return network, done, record


def _selected(
    setting: Setting,
    network: nn.Module,
    budget: Budget,
    survivors: MaskSet | None,
    measured: Sequence[Artefact],
    checkpoint: Checkpoint,
) -> tuple[Selection, Reconstructed]:
    """What was selected of a network, and what was changed of it."""
    learner, cut = setting.learner, setting.cut.value
    score, proportions = criteria(setting, measured)
    # On the CPU, so that every device cuts the same mask out of the same weights.
    scope = {name: layer.weight.detach().cpu() for name, layer in cut.scope(network).items()}
    units = cut.units(network, learner.trace)
    selection = select(
        scope,
        budget,
        score,
        cut.allocation,
        unit=units,
        survivors=survivors,
        min_keep=cut.min_keep,
        prices=learner.costs.prices(budget.kind, prunable(network), scope),
        proportions=proportions,
        generator=generator(setting.seed, "criterion"),
    )
    if not isinstance(cut.score, Reconstruction):
        return selection, Reconstructed(selection.masks)
    alive = MaskSet.dense(scope) if survivors is None else survivors
    return selection, reconstruct(setting, network, units, selection.masks, alive, checkpoint.stop_if_requested)
