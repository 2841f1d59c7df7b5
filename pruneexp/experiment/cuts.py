"""What a cut is made by, tried on a network with fresh weights, so that what does not fit is said before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError, cause
from pruneexp.pruning.allotment import CheckedAllocation
from pruneexp.pruning.allowance import allowance
from pruneexp.pruning.informed import InformedCriterion
from pruneexp.pruning.layers import PrunableLayer
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.select import check_fit
from pruneexp.pruning.units.unit import CheckedUnit, Grouping, Unit, Units, unit_name
from pruneexp.schema import Budget, nothing
from pruneexp.stages.setting import Cut, Setting
from pruneexp.stages.statistics import check_calibration, informed, wanted_statistics
from pruneexp.training import seeding
from pruneexp.training.calibration import calibrated


def check_cut(
    setting: Setting, layers: Mapping[str, PrunableLayer], budgets: Sequence[Budget], probe: nn.Module
) -> str:
    """Ask the allocation about layers and budgets, look for units, measure statistics of noise, and make an edit.

    ``budgets`` are those of all rounds. ``probe`` is a network that nothing else is done with. Says which channels
    stay, where there are such.

    Raises:
        UserError: a layer has no such units, the allocation does not take the budgets, the edit does not fit the
            weights, or statistics cannot be measured.
    """
    cut, weights = setting.cut.value, {name: layer.weight.detach() for name, layer in layers.items()}
    units = cut.units(probe, setting.learner.trace)
    staying = _check_units(cut, weights, units)
    if isinstance(units, Units) and isinstance(cut.unit, CheckedUnit):
        cut.unit.check(units, probe, setting.learner.example(2, "removal")[0])
    if isinstance(cut.allocation, CheckedAllocation):
        cut.allocation.check(weights, budgets, unit_name(cut.unit))
    check_calibration(setting)
    scope = cut.scope(probe)
    _check_statistics(setting, scope, probe)
    _check_edit(cut, {name: layer.weight.detach() for name, layer in scope.items()}, probe)
    return staying


def _check_units(cut: Cut, weights: Mapping[str, Tensor], units: Unit | Units | None) -> str:
    """Look for units, those of a network through its allocation; which channels stay."""
    if units is None:
        return ""
    if isinstance(units, Unit):
        for name, weight in weights.items():
            Grouping(units, {name: weight.cpu()})
        return ""
    ones = {name: torch.ones_like(sizes) for name, sizes in units.sizes.items()}
    alive = MaskSet.dense(ones)
    cut.allocation(ones, ones, alive, allowance(nothing("units"), alive, units.sizes, None, units.name))
    return units.staying


def _check_statistics(setting: Setting, layers: Mapping[str, PrunableLayer], probe: nn.Module) -> None:
    learner, cut, wanted = setting.learner, setting.cut.value, wanted_statistics(setting)
    if not wanted:
        return
    with seeding.forked(learner.device):
        found = calibrated(probe, [learner.example(2, "calibration")], learner.task.value, layers, wanted)
    weights = {name: layer.weight.detach().cpu() for name, layer in layers.items()}
    for key, criterion in (("score", cut.score), ("proportions", cut.proportions)):
        if isinstance(criterion, InformedCriterion):
            try:
                check_fit(informed(criterion, found)(weights, torch.Generator().manual_seed(0)), weights)
            except Exception as error:
                raise UserError(f"criterion.{key} does not fit the model: {cause(error)}") from error


def _check_edit(cut: Cut, weights: Mapping[str, Tensor], probe: nn.Module) -> None:
    """Make an edit, and see whether it keeps to masks that units or groups of weights have chosen."""
    try:
        cut.edited(probe, MaskSet.dense(weights))
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"criterion.edit does not fit the model: {cause(error)}") from error
    grouped = isinstance(cut.allocation, CheckedAllocation) and cut.allocation.grouped
    if cut.editor is not None and (grouped or cut.unit is not None):
        none = MaskSet({name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in weights.items()})
        if cut.edited(probe, none).masks != none:
            raise UserError(
                "criterion.edit chooses the weights that stay itself, one by one, while the network is retrained, and "
                f"{'criterion.unit' if cut.unit is not None else 'criterion.allocation'} keeps them in groups: leave "
                "one of the two out"
            )
