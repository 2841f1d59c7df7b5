"""Scratch-B: fresh weights under the pruned mask, as much computation as the dense network had (Liu et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pruneexp.schema import Budget
from pruneexp.stages.graph import Route
from pruneexp.stages.retrain import retrain
from pruneexp.stages.rounds import prune_in_rounds
from pruneexp.stages.scratch import check_switches, equal_compute, train_scratch
from pruneexp.stages.setting import Setting


@dataclass(frozen=True)
class ScratchB:
    """``cap`` limits the epochs to that multiple of the dense ones; Liu et al. use 2 on ImageNet.

    ``scaled_init`` and ``small_init`` are as those of Scratch-E.

    Raises:
        ValueError: ``cap`` is below 1, or both ways to draw weights are asked for.
    """

    cap: float | None = None
    scaled_init: bool = False
    small_init: bool = False

    charges_retraining: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_switches(self.scaled_init, self.small_init)
        if self.cap is not None and not self.cap >= 1:
            raise ValueError(f"cap={self.cap}: allowed is 1 or more, or null for none")

    def route(self, setting: Setting, path: Sequence[Budget]) -> Route:
        steps = prune_in_rounds(setting, path, recover=retrain)
        charged = [step for step in steps if step.of.cuts] if self.charges_retraining else []
        final = train_scratch(
            setting, steps[-1], equal_compute(self.cap), charged, scaled_init=self.scaled_init,
            small_init=self.small_init,
        )  # fmt: skip
        return Route((*steps, final))


@dataclass(frozen=True)
class ScratchBRetraining(ScratchB):
    """Scratch-B with the compute of the pruned network's retraining, of all rounds, added to that of the dense one.

    Liu et al. leave it out, which is to the disadvantage of networks from scratch. The network is not retrained for it:
    its FLOP follow from the masks and from ``retrain.epochs``.
    """

    charges_retraining: ClassVar[bool] = True
