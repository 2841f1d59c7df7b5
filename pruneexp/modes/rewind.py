"""Lottery ticket: the survivors go back to the values the dense network started from (Frankle & Carbin 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pruneexp.schema import Budget
from pruneexp.stages.graph import Route
from pruneexp.stages.rounds import prune_in_rounds
from pruneexp.stages.scratch import train_rewound
from pruneexp.stages.setting import Setting


@dataclass(frozen=True)
class Rewind:
    """Rewind and train after every round, so that iterative pruning finds its masks on rewound networks."""

    def route(self, setting: Setting, path: Sequence[Budget]) -> Route:
        steps = prune_in_rounds(setting, path, recover=train_rewound)
        return Route((*steps, train_rewound(setting, steps[-1])))
