"""What retraining made of the weights of dead units (Han et al. 2015, section 3.5), by their means before and after.

Where every output of a unit is pruned, no loss reaches the weights into it, so that a penalty alone moves them. Where
every input is pruned, the unit still gives the constant of its bias, from which the weights out of it can learn; behind
a ReLU that is nothing where the bias is negative, as most are.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from pruneexp.export.network import PrunedNetwork
from pruneexp.pruning.layers import PrunableLayer, prunable
from pruneexp.pruning.liveness import liveness
from pruneexp.schema import PointIdentity, UnitWeights
from pruneexp.tracing.graphs import tensors_of


def dead_units(pruned: PrunedNetwork, of: PointIdentity) -> tuple[UnitWeights, ...]:
    """The kept weights by the units that they belong to; those before are of the network that was cut last.

    Nothing where weights are not inherited, or where the store has that network no more.
    """
    session = pruned.session
    route = session.job.route(of.budget, session.job.budgets)
    source = session.store.load(route.mask.parents[0].key)
    if source is None or not route.final.of.inherits:
        return ()
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for layer, which, places in _sides(pruned):
        rows = (layer.rows(state[layer.parameter].cpu()) for state in (source.tensors, pruned.state))
        before, after = (each[places].abs() for each in rows)
        parts.setdefault(which, []).append((before, after))
    return tuple(_mean(which, found) for which, found in parts.items())


def _sides(pruned: PrunedNetwork) -> Iterator[tuple[PrunableLayer, str, Tensor]]:
    """Of each layer that lost weights, which kept ones are of what units: a boolean tensor in the shape of its rows.

    A unit is read where its bias is effective; in a layer without one, where a weight into it is.
    """
    trace = pruned.session.job.setting.learner.trace
    assert trace is not None
    layers = prunable(pruned.network)
    kept = {layers[name].parameter: pruned.masks[name] for name in pruned.masks}
    effective = liveness(trace, tensors_of(pruned.network), kept).effective
    for name in pruned.masks:
        layer = layers[name]
        mask = layer.rows(pruned.masks[name]).cpu()
        live = mask & layer.rows(effective[layer.parameter]).cpu()
        bias = effective.get(f"{name}.bias") if layer.module else None
        read = (live.any(1) if bias is None else bias.cpu())[:, None]
        yield layer, "live", live
        yield layer, "into unread", mask & ~live & ~read
        yield layer, "out of constant", mask & ~live & read


def _mean(which: str, found: list[tuple[Tensor, Tensor]]) -> UnitWeights:
    before, after = (torch.cat([pair[at] for pair in found]).double() for at in (0, 1))
    if not len(before):
        return UnitWeights(which, 0, 0.0, 0.0)
    return UnitWeights(which, len(before), float(before.mean()), float(after.mean()))
