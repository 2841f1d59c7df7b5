"""Masks: which weights survive a budget, what that leaves of the network, and how well it does before retraining."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from torch import nn

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.cost.counts import LayerCount, count_layers
from pruneexp.pruning.layers import weights
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.neurons import dead_units, without_dead
from pruneexp.pruning.select import Selection, select
from pruneexp.schema import Budget
from pruneexp.stages.graph import Stage
from pruneexp.stages.setting import Learner, Setting
from pruneexp.stages.work import activity, effort, load, recalibrate, scores, val_score
from pruneexp.training.seeding import generator

VERSION = 2


def prune(setting: Setting, source: Stage, budget: Budget, previous: Stage | None) -> Stage:
    """Cut the network of ``source`` to ``budget``; only survivors of the mask ``previous`` may survive again.

    The scores before retraining are those of the masked network as it is, or with re-estimated BatchNorm statistics
    where the setting says so.
    """

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        survivors = MaskSet.from_tensors(parents[1].tensors) if previous is not None else None
        network, selection, record = _cut(setting, source, parents[0], budget, survivors)
        return Artefact(selection.masks.to_tensors(), {**scores(setting.learner, network), **record})

    parents = (source,) if previous is None else (source, previous)
    return Stage("mask", VERSION, _identity(setting, budget), setting.learner.fingerprint, make, parents)


def probe(setting: Setting, source: Stage, budget: Budget) -> Stage:
    """Cut like ``prune``, score on val alone and measure activations, but keep no mask.

    For searches, which cut hundreds of times and retrain few: the mask of a probe is that of the ``prune`` of the same
    setting and budget, and can be cut again. A search never looks at the test split.
    """

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        network, _, record = _cut(setting, source, parents[0], budget, None)
        learner = setting.learner
        return Artefact({}, {**val_score(learner, network), **activity(learner, network), **record})

    return Stage("probe", VERSION, _identity(setting, budget), setting.learner.fingerprint, make, (source,))


def _identity(setting: Setting, budget: Budget) -> dict[str, Any]:
    return {
        "criterion": setting.cut.identity,
        "budget": asdict(budget),
        "seed": setting.seed,
        "batchnorm": "recalibrated" if setting.recalibrate_batchnorm else "as is",
    }


def _cut(
    setting: Setting, source: Stage, weights_of_source: Artefact, budget: Budget, survivors: MaskSet | None
) -> tuple[nn.Module, Selection, dict[str, Any]]:
    """The masked network, what was selected, and what a record says of it."""
    learner, cut = setting.learner, setting.cut.value
    started = time.perf_counter()
    network = load(learner.network("fresh"), weights_of_source.tensors, f"the stored {source.kind} network")
    # On the CPU, so that every device cuts the same mask out of the same weights.
    scope = {name: weight.detach().cpu() for name, weight in weights(network, cut.layers).items()}
    selection = select(
        scope,
        budget,
        cut.score,
        cut.allocation,
        survivors=survivors,
        min_keep=cut.min_keep,
        generator=generator(setting.seed, "criterion"),
    )
    masks = selection.masks.to(learner.device)
    masks.apply_(network)
    seconds = time.perf_counter() - started
    counts = _what_is_left(learner, network, masks)
    if setting.recalibrate_batchnorm:
        recalibrate(learner, network, setting.seed)
    record = {
        "density_scope": selection.masks.density,
        "collapsed": list(selection.collapsed),
        "qualities": dict(selection.qualities),
        "counts": [asdict(count) for count in counts],
        "effort": effort(seconds=seconds),
    }
    return network, selection, record


def _what_is_left(learner: Learner, network: nn.Module, masks: MaskSet) -> tuple[LayerCount, ...]:
    example = learner.example(2, "example")[0]
    dead = dead_units(network, masks, example)
    effective = without_dead(network, masks, example)
    return count_layers(network, masks, effective, {name: int(units.count_nonzero()) for name, units in dead.items()})
