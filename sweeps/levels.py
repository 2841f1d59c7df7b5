"""From levels to a cut: of a session and a level for each layer, or set of units, its criterion and budget."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from pruneexp.errors import UserError
from pruneexp.experiment.session import Session
from pruneexp.pruning.allocations.layer_std import LayerStd
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.select import Allocation, select
from pruneexp.pruning.units.unit import Grouping, Units
from pruneexp.schema import Budget, BudgetKind
from pruneexp.stages.setting import Setting
from pruneexp.training.seeding import generator


def kind_of(session: Session) -> BudgetKind:
    """What a level is under the criterion chosen.

    Raises:
        UserError: it has no level of its own for each layer.
    """
    cut = session.job.setting.cut.value
    if isinstance(cut.allocation, LayerStd) and cut.unit is None:
        return "quality"
    if isinstance(cut.allocation, PerLayer):
        return "density" if cut.unit is None else "units"
    raise UserError(
        f"criterion={session.choices['criterion']} has no level of its own for each layer: search with "
        "criterion=layer_std (qualities), criterion=layer_magnitude (densities) or criterion=channel_magnitude "
        "(shares of channels)"
    )


def units_of(session: Session, network: nn.Module) -> Units:
    """The units that the criterion of a session keeps or prunes as a whole in a network."""
    cut = session.job.setting.cut.value
    found = cut.units(network, session.job.setting.learner.trace)
    if isinstance(found, Units):
        return found
    assert found is not None
    return Grouping(found, {name: layer.weight.detach().cpu() for name, layer in cut.scope(network).items()})


def sizes_of(session: Session) -> dict[str, int]:
    """What the levels are shares of: the weights of each layer, or the units of each layer or set of channels."""
    cut, network = session.job.setting.cut.value, session.job.setting.learner.network("fresh")
    if cut.unit is None:
        return {name: layer.weight.numel() for name, layer in cut.scope(network).items()}
    return {name: len(sizes) for name, sizes in units_of(session, network).sizes.items()}


@torch.no_grad()
def largest(
    setting: Setting, network: nn.Module, budget: Budget, allocation: Allocation, units: Units | None
) -> MaskSet:
    """The masks of the largest weights, or units, of a network, as many of each layer as an allocation leaves it."""
    weights = {name: layer.weight.detach().cpu() for name, layer in setting.cut.value.scope(network).items()}
    least = 1 if units is None else setting.cut.value.min_keep
    draws = generator(setting.seed, "criterion")  # none: magnitudes are compared
    return select(weights, budget, Magnitude(), allocation, unit=units, min_keep=least, generator=draws).masks


def leveled(session: Session, sizes: Mapping[str, int], levels: Mapping[str, float]) -> tuple[Session, Budget]:
    """The session whose cut has these levels, and the budget of that cut; ``sizes`` are those of ``sizes_of``."""
    kind = kind_of(session)
    if kind == "quality":
        return session.scaled(levels), Budget("quality", 1.0)
    overall = sum(sizes[name] * level for name, level in levels.items()) / sum(sizes.values())
    return session.scaled({name: level / overall for name, level in levels.items()}), Budget(kind, overall)
