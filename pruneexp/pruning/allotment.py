"""What an allocation answers: how many weights each layer keeps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pruneexp.errors import UserError
from pruneexp.schema import Budget


@dataclass(frozen=True)
class Allotment:
    """Weights kept per layer; ``qualities`` holds each layer's q_l where thresholds in standard deviations decided."""

    keep: Mapping[str, int]
    qualities: Mapping[str, float] = field(default_factory=dict)


def density_of(budget: Budget) -> float:
    """The density of a budget, for allocations that know nothing else.

    Raises:
        UserError: the budget is a quality parameter.
    """
    if budget.kind != "density":
        raise UserError(
            f"Quality {budget.value:g} asked for, but only the layer_std allocation takes qualities; "
            "give densities in (0, 1], or choose criterion=layer_std."
        )
    return budget.value


def check_layers(named: Collection[str], layers: Collection[str], where: str) -> None:
    """Refuse names that are not layers in the scope of pruning.

    Raises:
        UserError: naming the unknown layers and the known ones.
    """
    unknown = [name for name in named if name not in layers]
    if unknown:
        raise UserError(f"{where} names unknown layers {', '.join(unknown)}; layers are {', '.join(layers)}.")
