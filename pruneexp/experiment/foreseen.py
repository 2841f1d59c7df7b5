"""Which points of a job will fail, as far as that can be told before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator

from pruneexp.errors import Infeasible
from pruneexp.experiment.build import Job
from pruneexp.pruning.allowance import allowance
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.select import least_share
from pruneexp.pruning.units.unit import NetworkUnit, Units


def unreachable(job: Job) -> Iterator[str]:
    """Why budgets cannot be met by any mask, where that follows from what the dense network costs."""
    learner, cut = job.setting.learner, job.setting.cut.value
    costly = [budget for budget in job.budgets if budget.kind in ("flop", "parameters", "bytes")]
    if isinstance(cut.unit, NetworkUnit):
        costly = [budget for budget in job.budgets if budget.kind not in ("units", "quality")]
    if not costly:
        return
    network = learner.network("fresh")
    weights = {name: layer.weight.detach().cpu() for name, layer in cut.scope(network).items()}
    units = cut.units(network, learner.trace)
    for budget in costly:
        prices = learner.costs.prices(budget.kind, prunable(network), weights)
        if isinstance(units, Units):
            least = least_share(units, budget, MaskSet.dense(weights), prices, cut.min_keep)
            if least > budget.value:
                fewest = f"criterion.min_keep={cut.min_keep}"
                yield f"{budget.text} will fail: what stays with {fewest} takes {least:.4g}"
            continue
        try:
            allowance(budget, MaskSet.dense(weights), dict.fromkeys(weights, 1.0), prices, "weight")
        except Infeasible as reason:
            yield f"{budget.text} will fail: {reason}"
