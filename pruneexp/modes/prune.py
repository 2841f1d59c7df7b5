"""Train, prune, retrain: the survivors inherit their trained values (Han et al. 2015, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pruneexp.schema import Budget
from pruneexp.stages.graph import Route
from pruneexp.stages.retrain import retrain
from pruneexp.stages.rounds import prune_in_rounds
from pruneexp.stages.setting import Setting


@dataclass(frozen=True)
class Prune:
    """Retrain the survivors after every round; the last retraining is the point."""

    def route(self, setting: Setting, path: Sequence[Budget]) -> Route:
        steps = prune_in_rounds(setting, path, recover=retrain)
        return Route((*steps, retrain(setting, steps[-1])))
