"""Scratch-E: fresh weights under the pruned mask, as many epochs as the dense network had (Liu et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pruneexp.schema import Budget
from pruneexp.stages.graph import Route
from pruneexp.stages.retrain import retrain
from pruneexp.stages.rounds import prune_in_rounds
from pruneexp.stages.scratch import check_switches, equal_epochs, train_rewound, train_scratch
from pruneexp.stages.setting import Setting


@dataclass(frozen=True)
class ScratchE:
    """``scaled_init`` widens the initial weights of sparse layers, as the code of Liu et al. does.

    ``small_init`` draws those of the network without the channels that the mask cuts, by the rules of its class. With
    ``rewound_masks`` the masks of rounds are those of ``rewind``, so that fresh weights are the control of a winning
    ticket in rounds too (Frankle & Carbin 2019); of one cut both are the same.

    Raises:
        ValueError: both are asked for.
    """

    scaled_init: bool = False
    small_init: bool = False
    rewound_masks: bool = False

    def __post_init__(self) -> None:
        check_switches(self.scaled_init, self.small_init)

    def route(self, setting: Setting, path: Sequence[Budget]) -> Route:
        steps = prune_in_rounds(setting, path, recover=train_rewound if self.rewound_masks else retrain)
        final = train_scratch(
            setting, steps[-1], equal_epochs(), scaled_init=self.scaled_init, small_init=self.small_init
        )
        return Route((*steps, final))
