"""Han et al. 2015: the threshold of a layer is its quality parameter times the standard deviation of its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pruneexp.errors import Infeasible
from pruneexp.pruning.allotment import Allotment, check_layers
from pruneexp.pruning.allowance import Allowance
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import kth_largest, precise, surviving


@dataclass(frozen=True)
class LayerStd:
    """Keep |w| >= q_l * std_l, with q_l = q * ``scale[l]`` (1 where not given) and std_l over the layer's survivors.

    The standard deviation is the population's (divided by n), around the mean. For a share, the allocation solves for
    the common q: it ranks weights by |w| / (scale_l * std_l) over all layers, and q is the value of the last one kept.
    The count of a density is then exact; weights that tie at q are kept in the order of layers and indices until it is
    reached. A layer that no threshold cuts (all its survivors equal, or scale 0) ranks first. A criterion other than
    magnitude changes which weights a layer keeps, not how many.

    Raises:
        ValueError: a scale is negative or not finite.
        UserError: ``scale`` names an unknown layer.
        Infeasible: layers of scale 0 alone hold more weights than the density allows.
    """

    scale: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, scale in self.scale.items():
            if not (math.isfinite(scale) and scale >= 0):
                raise ValueError(f"the scale of layer {name!r} is {scale}, must be a finite number of at least 0")

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, allowance: Allowance
    ) -> Allotment:
        check_layers(self.scale, weights, "scale")
        deviations = {name: _deviation(weight, survivors[name]) for name, weight in weights.items()}
        if allowance.budget.kind == "quality":
            quality = allowance.quality()
            keep = {
                name: _at_least(weight, survivors[name], quality * self._scale(name) * deviations[name])
                for name, weight in weights.items()
            }
            return Allotment(keep, self._qualities(weights, quality))
        self._check_reachable(survivors, allowance)
        ratios = {name: _ratios(weight, self._scale(name) * deviations[name]) for name, weight in weights.items()}
        keep = allowance.fitting(ratios, survivors)
        return Allotment(keep, self._qualities(weights, _last_kept(ratios, survivors, keep)))

    def _check_reachable(self, survivors: MaskSet, allowance: Allowance) -> None:
        whole = [name for name in survivors if self._scale(name) == 0]
        held = sum(allowance.cost(name, survivors[name]) for name in whole)
        if held > allowance.limit:
            asked = allowance.budget
            raise Infeasible(
                f"{asked.kind.capitalize()} {asked.value:g} cannot be reached: layers with scale 0 "
                f"({', '.join(whole)}) are never pruned and hold {held / allowance.limit * allowance.share:.4g} of it."
            )

    def _scale(self, name: str) -> float:
        return self.scale.get(name, 1.0)

    def _qualities(self, names: Mapping[str, Tensor], quality: float) -> dict[str, float]:
        return {name: quality * self._scale(name) for name in names}


def _deviation(weight: Tensor, alive: Tensor) -> float:
    values = surviving(weight, alive)
    return float(values.std(correction=0)) if values.numel() else 0.0


def _at_least(weight: Tensor, alive: Tensor, threshold: float) -> int:
    return int(((precise(weight.detach()).abs() >= threshold) & alive).count_nonzero())


def _ratios(weight: Tensor, unit: float) -> Tensor:
    """|w| in multiples of ``unit``; infinite where the unit is 0, because then every threshold is."""
    magnitudes = precise(weight.detach()).abs()
    return magnitudes / unit if unit > 0 else torch.full_like(magnitudes, math.inf)


def _last_kept(ratios: Mapping[str, Tensor], survivors: MaskSet, keep: Mapping[str, int]) -> float:
    """The smallest finite ratio among those kept: the common q. 0 where nothing finite is kept."""
    lowest = [
        float(kth_largest(surviving(ratio, survivors[name]), keep[name]))
        for name, ratio in ratios.items()
        if keep[name]
    ]
    return min((ratio for ratio in lowest if math.isfinite(ratio)), default=0.0)
