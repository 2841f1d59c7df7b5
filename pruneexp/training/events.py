"""What happens in a training, as one stream of events. Knows nothing of what listens to it.

A listener shows a training, notes how far it is, or ends it by raising; it changes no number.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

#: Seconds between two events within an epoch.
TICK = 0.2

#: ``begin`` comes again where a training goes on after an interruption.
EventKind = Literal["begin", "step", "epoch", "done"]


@dataclass(frozen=True, kw_only=True)
class TrainingEvent:
    """``epoch`` epochs of ``total`` are finished, and ``share`` of the next, in [0, 1].

    An ``epoch`` tells the mean training loss without penalty, the primary metric on val (NaN where it is not measured),
    the learning rate of its last step and the seconds that this process spent on it. The stage that trains adds its
    name and its ``key``.
    """

    kind: EventKind
    epoch: int
    total: int
    share: float = 0.0
    loss: float = math.nan
    val: float = math.nan
    lr: float = math.nan
    seconds: float = 0.0
    stage: str = ""
    key: str = ""


Listener = Callable[[TrainingEvent], None]


def unheard(event: TrainingEvent) -> None:
    """The listener of a training that nothing listens to."""


class StepEvents:
    """Tells of steps at most five times a second, without waiting for the device, so on a GPU a little ahead of it."""

    def __init__(self, tell: Callable[[float], None], steps: int) -> None:
        self._tell, self._steps, self._last = tell, steps, time.monotonic()

    def __call__(self, step: int) -> None:
        """So many steps of the epoch are done."""
        if time.monotonic() - self._last >= TICK:
            self._last = time.monotonic()
            self._tell(step / self._steps)
