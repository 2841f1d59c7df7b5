"""The same density in every layer, or densities in fixed proportions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from pruneexp.pruning.allotment import Allotment, Targets, check_layers, share_of
from pruneexp.pruning.allowance import Allowance
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import count_for


@dataclass(frozen=True)
class PerLayer:
    """Every layer keeps min(1, share * ``scale[l]``) of its units, with scale 1 where none is given.

    Layers in ``exempt`` keep all of their survivors, on top of the budget.

    Raises:
        ValueError: a scale is not a finite number above 0.
        UserError: the budget is a quality parameter, or ``exempt`` or ``scale`` names an unknown layer.
    """

    exempt: Sequence[str] = ()
    scale: Mapping[str, float] = field(default_factory=dict)

    targets: ClassVar[Targets] = "predefined"

    def __post_init__(self) -> None:
        for name, scale in self.scale.items():
            if not (math.isfinite(scale) and scale > 0):
                raise ValueError(f"the scale of layer {name!r} is {scale}, must be a finite number above 0")

    def __call__(
        self, weights: Mapping[str, Tensor], scores: Mapping[str, Tensor], survivors: MaskSet, allowance: Allowance
    ) -> Allotment:
        share = share_of(allowance)
        check_layers(self.exempt, weights, "exempt")
        check_layers(self.scale, weights, "scale")
        wanted = {
            name: count_for(1.0 if name in self.exempt else min(1.0, share * self.scale.get(name, 1.0)), w.numel())
            for name, w in weights.items()
        }
        return Allotment({name: min(count, survivors.kept_per_layer[name]) for name, count in wanted.items()})
