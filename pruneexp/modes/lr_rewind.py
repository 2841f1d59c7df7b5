"""Learning-rate rewinding: survivors keep their values, the learning rate repeats its course (Renda et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pruneexp.schema import Budget
from pruneexp.stages.graph import Route
from pruneexp.stages.retrain import retrain
from pruneexp.stages.rounds import prune_in_rounds
from pruneexp.stages.setting import Setting


@dataclass(frozen=True)
class LrRewind:
    """Retrain after every round by the recipe of dense training from ``epoch`` on, as long as that lasted.

    Penalty and dropout are those of retraining.
    """

    epoch: int = 0

    def route(self, setting: Setting, path: Sequence[Budget]) -> Route:
        recipe = setting.dense.since(self.epoch).recipe
        again = replace(setting, retraining=replace(setting.retraining, recipe=recipe))
        steps = prune_in_rounds(again, path, recover=retrain)
        return Route((*steps, retrain(again, steps[-1])))
