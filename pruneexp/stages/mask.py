"""Masks: which weights survive a budget, what that leaves of the network, and how well it does before retraining."""

from __future__ import annotations

import time
from dataclasses import asdict

import torch
from torch import nn

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.cost.counts import LayerCount, count_layers
from pruneexp.pruning.layers import weights
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.neurons import dead_units, without_dead
from pruneexp.pruning.select import select
from pruneexp.schema import Budget
from pruneexp.stages.graph import Stage
from pruneexp.stages.setting import Setting
from pruneexp.stages.work import effort, load, recalibrate, scores
from pruneexp.training.seeding import generator

VERSION = 1


def prune(setting: Setting, source: Stage, budget: Budget, previous: Stage | None) -> Stage:
    """Cut the network of ``source`` to ``budget``; only survivors of the mask ``previous`` may survive again.

    The scores before retraining are those of the masked network as it is, or with re-estimated BatchNorm statistics
    where the setting says so.
    """

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        started = time.perf_counter()
        network = load(setting.network("fresh"), parents[0].tensors, f"the stored {source.kind} network")
        # On the CPU, so that every device cuts the same mask out of the same weights.
        scope = {name: weight.detach().cpu() for name, weight in weights(network, setting.layers).items()}
        survivors = MaskSet.from_tensors(parents[1].tensors) if previous is not None else None
        selection = select(
            scope,
            budget,
            setting.criterion,
            setting.allocation,
            survivors=survivors,
            min_keep=setting.min_keep,
            generator=generator(setting.seed, "criterion"),
        )
        masks = selection.masks.to(setting.device)
        masks.apply_(network)
        seconds = time.perf_counter() - started
        counts = _what_is_left(setting, network, masks)
        if setting.recalibrate_batchnorm:
            recalibrate(setting, network)
        record = {
            **scores(setting, network),
            "density_scope": selection.masks.density,
            "collapsed": list(selection.collapsed),
            "qualities": dict(selection.qualities),
            "counts": [asdict(count) for count in counts],
            "effort": effort(seconds=seconds),
        }
        return Artefact(selection.masks.to_tensors(), record)

    config = {
        "criterion": setting.configs["criterion"],
        "budget": asdict(budget),
        "seed": setting.seed,
        "batchnorm": "recalibrated" if setting.recalibrate_batchnorm else "as is",
    }
    parents = (source,) if previous is None else (source, previous)
    return Stage("mask", VERSION, config, setting.data.fingerprint, make, parents)


def _what_is_left(setting: Setting, network: nn.Module, masks: MaskSet) -> tuple[LayerCount, ...]:
    example = torch.zeros(1, *setting.input_shape, device=setting.device)
    dead = dead_units(network, masks, example)
    effective = without_dead(network, masks, example)
    return count_layers(network, masks, effective, {name: int(units.count_nonzero()) for name, units in dead.items()})
