"""What a search over layers has to beat: the levels at which every layer would stand under other allocations.

Of one dense network, at a few densities; plain numbers come out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pruneexp.experiment.session import Session
from pruneexp.pruning.allocations.erk import Erk
from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.allocations.lamp import Lamp
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.ranking import precise
from pruneexp.pruning.select import Allocation, select
from pruneexp.schema import Budget, BudgetKind
from pruneexp.stages.dense import train_dense
from pruneexp.stages.work import load
from pruneexp.training.seeding import generator
from sweeps.space import Levels

#: By the names that ``study.baselines`` has for them: one global threshold, LAMP, and the Erdős-Rényi kernel.
BASELINES: Mapping[str, Allocation] = {"global": GlobalThreshold(), "lamp": Lamp(), "erk": Erk()}


def baselines(session: Session, names: Sequence[str], densities: Sequence[float], kind: BudgetKind) -> list[Levels]:
    """The levels of each allocation at each density, from the densest on: densities or qualities, by ``kind``.

    Every layer keeps as many of its largest weights as the allocation would leave it.
    """
    if not names or not densities:
        return []
    setting = session.job.setting
    dense = train_dense(setting)
    network = load(setting.learner.network("fresh"), session.runner.artefact(dense).tensors, "the stored dense network")
    weights = {name: layer.weight.detach().cpu() for name, layer in setting.cut.value.scope(network).items()}
    found = []
    for density in sorted(densities, reverse=True):
        for name in names:
            kept = _kept(weights, density, BASELINES[name], setting.seed)
            level = _quality if kind == "quality" else _density
            found.append({layer: level(weight, kept[layer]) for layer, weight in weights.items()})
    return found


@torch.no_grad()
def _kept(weights: Mapping[str, Tensor], density: float, allocation: Allocation, seed: int) -> Mapping[str, int]:
    draws = generator(seed, "criterion")  # none: magnitudes are compared
    chosen = select(weights, Budget("density", density), Magnitude(), allocation, generator=draws)
    return chosen.masks.kept_per_layer


def _density(weight: Tensor, kept: int) -> float:
    return max(kept, 1) / weight.numel()  # no level is zero: each layer keeps a weight in any case


def _quality(weight: Tensor, kept: int) -> float:
    """A threshold in standard deviations half-way between the last magnitude that stays and the first that goes."""
    values = precise(weight).reshape(-1)
    deviation = float(values.std(correction=0))
    if kept >= values.numel() or deviation == 0:
        return 0.0
    ordered = values.abs().sort(descending=True).values
    last = float(ordered[max(kept, 1) - 1])
    return (last + float(ordered[max(kept, 1)])) / 2 / deviation
