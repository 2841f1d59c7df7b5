"""What a search over layers has to beat: the levels at which every layer would stand under other allocations.

Of one dense network, at a few densities; plain numbers come out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from torch import Tensor

from pruneexp.errors import Infeasible, UserError
from pruneexp.experiment.session import Session
from pruneexp.pruning.allocations.erk import Erk
from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.allocations.lamp import Lamp
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.allotment import CheckedAllocation
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import precise
from pruneexp.pruning.select import Allocation
from pruneexp.pruning.units.unit import Units, unit_name
from pruneexp.schema import Budget, BudgetKind
from pruneexp.stages.dense import train_dense
from pruneexp.stages.work import load
from sweeps.levels import largest, units_of
from sweeps.space import Levels

#: By the names that ``study.baselines`` has for them: one global threshold, LAMP, the Erdős-Rényi kernel, and the same
#: share of every layer.
BASELINES: Mapping[str, Allocation] = {
    "global": GlobalThreshold(),
    "lamp": Lamp(),
    "erk": Erk(),
    "uniform": PerLayer(),
}
#: Where none are named, of single weights and of units.
OF_WEIGHTS, OF_UNITS = ("global", "lamp", "erk"), ("global", "uniform")

_STEPS = 16  # of bisecting over densities: to 0.00002
_NEAR = 0.99  # of a limit, which a cost above this has just met


def check_baselines(session: Session, names: Sequence[str]) -> None:
    """Ask the allocations whether they take the units of a session.

    Raises:
        UserError: one does not.
    """
    unit = unit_name(session.job.setting.cut.value.unit)
    for name in names:
        allocation = BASELINES[name]
        try:
            if isinstance(allocation, CheckedAllocation):
                allocation.check({}, [], unit)
        except UserError as error:
            raise UserError(
                f"study.baselines: {name} is of single weights, and criterion={session.choices['criterion']} keeps a "
                f"{unit} as a whole: leave it out, as in 'study.baselines=[{','.join(OF_UNITS)}]'"
            ) from error


def baselines(session: Session, names: Sequence[str], densities: Sequence[float], kind: BudgetKind) -> list[Levels]:
    """The levels of each allocation at each density, from the densest on: densities, qualities or shares of units.

    Every layer keeps as many of its largest weights, or units, as the allocation would leave it.

    Raises:
        Infeasible: the fewest units that must stay are more than a density leaves.
    """
    if not names or not densities:
        return []
    at = _allocations(session, kind)
    return [at(name, density) for density in sorted(densities, reverse=True) for name in names]


def baselines_within(
    session: Session, names: Sequence[str], kind: BudgetKind, limit: float, share: Callable[[Levels], float]
) -> list[Levels]:
    """The levels of each allocation at the largest density that costs at most ``limit``, or just below.

    ``share`` is the cost of a network with some levels. An allocation that cannot keep to the limit is left out, and
    the user is told.
    """
    if not names:
        return []
    at, found = _allocations(session, kind), list[Levels]()
    for name in names:
        levels = _most_within(partial(at, name), limit, share)
        if levels is None:
            session.display.note(f"study.baselines: {name} is left out, as it never costs at most {limit:g}")
        else:
            found.append(levels)
    return found


def _most_within(at: Callable[[float], Levels], limit: float, share: Callable[[Levels], float]) -> Levels | None:
    few, many, found = 0.0, 1.0, None
    for _ in range(_STEPS):
        density = (few + many) / 2
        try:
            cost = share(levels := at(density))
        except Infeasible:  # a layer cannot keep so little
            few = density
            continue
        if cost > limit:
            many = density
            continue
        few, found = density, levels
        if cost >= _NEAR * limit:
            break
    return found


def _allocations(session: Session, kind: BudgetKind) -> Callable[[str, float], Levels]:
    """The levels of an allocation, by its name, at a density of the dense network of a session."""
    setting = session.job.setting
    dense = train_dense(setting)
    network = load(setting.learner.network("fresh"), session.runner.artefact(dense).tensors, "the stored dense network")
    weights = {name: layer.weight.detach().cpu() for name, layer in setting.cut.value.scope(network).items()}
    units = units_of(session, network) if kind == "units" else None

    def at(name: str, density: float) -> Levels:
        masks = largest(setting, network, Budget("density", density), BASELINES[name], units)
        return _levels(weights, masks, kind, units)

    return at


def _levels(weights: Mapping[str, Tensor], masks: MaskSet, kind: BudgetKind, units: Units | None) -> Levels:
    if units is not None:
        living = units.living(masks)
        return {name: max(count, 1) / living[name].numel() for name, count in living.kept_per_layer.items()}
    level = _quality if kind == "quality" else _density
    return {name: level(weight, masks.kept_per_layer[name]) for name, weight in weights.items()}


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
