"""Rewinding: the survivors go back to values of the dense training, and train on from there.

At epoch 0 these are the values that it started from (lottery ticket, Frankle & Carbin 2019); at a later one, those that
it had then (Frankle et al. 2020; weight rewinding of Renda et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pruneexp.schema import Budget
from pruneexp.stages.dense import train_early
from pruneexp.stages.graph import Route
from pruneexp.stages.rounds import prune_in_rounds
from pruneexp.stages.scratch import train_rewound
from pruneexp.stages.setting import Setting


@dataclass(frozen=True)
class Rewind:
    """Rewind and train after every round, so that iterative pruning finds its masks on rewound networks.

    ``epoch`` counts the epochs of dense training that are kept; what follows them is trained again.
    """

    epoch: int = 0

    def route(self, setting: Setting, path: Sequence[Budget]) -> Route:
        early = train_early(setting, self.epoch) if self.epoch else None
        rewound = partial(train_rewound, early=early, epoch=self.epoch)
        dense, *steps = prune_in_rounds(setting, path, recover=rewound)
        before = (dense,) if early is None else (dense, early)
        return Route((*before, *steps, rewound(setting, steps[-1])))
