"""What a cut is made by, tried on a network with fresh weights, so that what does not fit is said before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError, cause
from pruneexp.pruning.allotment import CheckedAllocation, targets_of
from pruneexp.pruning.allowance import allowance
from pruneexp.pruning.informed import InformedCriterion
from pruneexp.pruning.layers import PrunableLayer
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.select import check_fit
from pruneexp.pruning.units.unit import CheckedUnit, Grouping, Unit, Units, UnitSizes, unit_name
from pruneexp.schema import Budget, nothing
from pruneexp.stages.reconstruct import check_reconstruction
from pruneexp.stages.setting import Cut, Setting
from pruneexp.stages.statistics import check_calibration, informed, measured, wanted_statistics
from pruneexp.training import seeding


def check_cut(
    setting: Setting, layers: Mapping[str, PrunableLayer], budgets: Sequence[Budget], probe: nn.Module
) -> str:
    """Ask the allocation about layers and budgets, look for units, measure statistics of noise, and make an edit.

    ``budgets`` are those of all rounds. ``probe`` is a network that nothing else is done with. Says which channels
    stay, and which layers a budget empties but for ``min_keep``, where there are such.

    Raises:
        UserError: a layer has no such units, the allocation does not take the budgets, a budget empties layers, the
            edit does not fit the weights, or statistics cannot be measured.
    """
    cut, weights = setting.cut.value, {name: layer.weight.detach() for name, layer in layers.items()}
    units, shapes, staying = cut.units(probe, setting.learner.trace), weights, ""
    if isinstance(units, Unit):
        shapes = _of_layers(units, weights)
    elif units is not None:
        shapes, staying = _of_network(cut, units), units.staying
        if isinstance(cut.unit, CheckedUnit):
            cut.unit.check(units, probe, setting.learner.example(2, "removal")[0])
    if isinstance(cut.allocation, CheckedAllocation):
        cut.allocation.check(shapes, budgets, unit_name(cut.unit))
    check_calibration(setting)
    check_reconstruction(setting, probe, units)
    scope = cut.scope(probe)
    _check_statistics(setting, scope, probe)
    _check_edit(cut, {name: layer.weight.detach() for name, layer in scope.items()}, units)
    emptied = _emptied(cut, shapes, budgets, additive=not isinstance(units, Units) or units.additive)
    return "; ".join(filter(None, (staying, emptied)))


def _emptied(cut: Cut, shapes: Mapping[str, Tensor], budgets: Sequence[Budget], *, additive: bool) -> str:
    """Which layers, or sets of units, the hardest budget empties, so that ``min_keep`` alone holds them open.

    Counts of predefined targets are known before training. Nothing sure is known of other allocations (one threshold
    for all layers, LAMP, q x the standard deviation), which share the budget by trained weights, nor are budgets in
    FLOP, parameters or bytes looked at. Where units share weights (not ``additive``), which share of units a density
    comes to is found with the masks.

    Raises:
        UserError: nothing holds them open.
    """
    shares = [budget for budget in budgets if budget.kind == "units" or (additive and budget.kind == "density")]
    if targets_of(cut.allocation) != "predefined" or not shares:
        return ""
    hardest, alive = min(shares, key=lambda budget: budget.value), MaskSet.dense(shapes)
    sizes: UnitSizes = dict.fromkeys(shapes, 1.0) if cut.unit is None else shapes
    found = cut.allocation(shapes, shapes, alive, allowance(hardest, alive, sizes, None, unit_name(cut.unit)))
    empty = [name for name, count in found.keep.items() if count == 0 < shapes[name].numel()]
    if not empty:
        return ""
    named = ", ".join(empty[:3]) + (f" and {len(empty) - 3} more" if len(empty) > 3 else "")
    refused = f"{hardest.kind} {hardest.value:g} asked for, but that leaves nothing of {named}: ask for more"
    if grouped := [name for name in empty if name in found.groups]:  # without regard to ``min_keep``
        raise UserError(f"{refused}, or leave layers out with 'criterion.exclude=[{','.join(grouped)}]'")
    if not cut.min_keep:
        raise UserError(f"{refused}, or set criterion.min_keep=1")
    return f"{hardest.text} empties {named}, which criterion.min_keep={cut.min_keep} holds open"


def _of_layers(unit: Unit, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The sizes of the units of each layer; one layer after the other, as the units of large ones take much memory."""
    return {name: Grouping(unit, {name: weight.cpu()}).sizes[name] for name, weight in weights.items()}


def _of_network(cut: Cut, units: Units) -> dict[str, Tensor]:
    """A one per unit of a network, in the names of which the allocation finds those that it says."""
    ones = {name: torch.ones_like(sizes) for name, sizes in units.sizes.items()}
    alive = MaskSet.dense(ones)
    cut.allocation(ones, ones, alive, allowance(nothing("units"), alive, units.sizes, None, units.name))
    return ones


def _check_statistics(setting: Setting, layers: Mapping[str, PrunableLayer], probe: nn.Module) -> None:
    learner, cut = setting.learner, setting.cut.value
    if not wanted_statistics(setting):
        return
    with seeding.forked(learner.device):
        found = measured(setting, probe, [learner.example(2, "calibration")])
    weights = {name: layer.weight.detach().cpu() for name, layer in layers.items()}
    for key, criterion in (("score", cut.score), ("proportions", cut.proportions)):
        if isinstance(criterion, InformedCriterion):
            try:
                check_fit(informed(criterion, found)(weights, torch.Generator().manual_seed(0)), weights)
            except Exception as error:
                raise UserError(f"criterion.{key} does not fit the model: {cause(error)}") from error


def _check_edit(cut: Cut, weights: Mapping[str, Tensor], units: Unit | Units | None) -> None:
    """Make an edit where every second unit is kept, and see whether units, or groups of weights, are whole at last."""
    if cut.editor is None:
        return
    draws = torch.Generator().manual_seed(0)
    drawn = {name: torch.randn(weight.shape, generator=draws) for name, weight in weights.items()}
    grouping = Grouping(units, drawn) if isinstance(units, Unit) else units
    given, alive = _every_second(drawn, grouping), MaskSet.dense(drawn)
    try:
        last = cut.editor.edit(drawn, given).at(drawn, 1.0).masks
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"criterion.edit does not fit the model: {cause(error)}") from error
    grouped = isinstance(cut.allocation, CheckedAllocation) and cut.allocation.grouped
    if (grouped and last != given) or (grouping is not None and last != grouping.masks(grouping.living(last), alive)):
        raise UserError(
            "criterion.edit chooses the weights that stay itself while the network is retrained, and "
            f"{'criterion.allocation' if grouped else 'criterion.unit'} keeps them in groups: leave one of the two out"
        )


def _every_second(weights: Mapping[str, Tensor], units: Units | None) -> MaskSet:
    if units is None:
        return MaskSet({name: torch.arange(each.numel()).view(each.shape) % 2 == 0 for name, each in weights.items()})
    kept = {name: torch.arange(len(sizes)) % 2 == 0 for name, sizes in units.sizes.items()}
    return units.masks(kept, MaskSet.dense(weights))
