"""Rounds of pruning: each mask is cut from what the round before recovered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pruneexp.schema import Budget
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Stage
from pruneexp.stages.mask import prune
from pruneexp.stages.setting import Setting
from pruneexp.stages.statistics import statistics


def prune_in_rounds(
    setting: Setting, path: Sequence[Budget], recover: Callable[[Setting, Stage], Stage]
) -> tuple[Stage, ...]:
    """Stages from the dense network to the last mask: dense, mask, recover, mask, ..., mask.

    Before a mask stand the statistics that its criterion asks for, if any.
    """
    steps: list[Stage] = [train_dense(setting)]
    previous: Stage | None = None
    for budget in path:
        if previous is not None:
            steps.append(recover(setting, previous))
        measured = statistics(setting, steps[-1])
        previous = prune(setting, steps[-1], budget, previous)
        steps += [*measured, previous]
    return tuple(steps)
