"""Epochs of trainings that go on, which wait here until the thread that writes records takes them to MLflow.

They are for a person who looks on: the whole course of a training is in the record of its point, and is written with
it. So what cannot be shown now is dropped. Knows neither MLflow nor trainings.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

from pruneexp.tracking.runs import Value

#: Seconds between two writes, and before the first: what is trained sooner is recorded at once, with its point.
EVERY = 5.0
#: Writing takes at most this share of the time, however slow MLflow is.
_SHARE = 0.02


class ShownOn(NamedTuple):
    """The run that shows a training: that of a curve or study, ``under``, or of its point with this flat identity."""

    under: str
    key: str = ""
    identity: Mapping[str, Any] | None = None
    tags: Mapping[str, str] | None = None


class LiveCourses:
    """What is to be shown; one thread adds, another takes."""

    def __init__(self) -> None:
        self._lock, self._next, self._asked = Lock(), 0.0, False
        self._waiting: dict[tuple[str, str], tuple[ShownOn, list[Value]]] = {}

    def add(self, on: ShownOn, values: Sequence[Value]) -> bool:
        """Keep numbers of an epoch; whether it is time to write, said once for each ``take``."""
        with self._lock:
            now = time.monotonic()
            if not self._waiting and not self._asked:
                self._next = max(self._next, now + EVERY)
            self._waiting.setdefault((on.under, on.key), (on, []))[1].extend(values)
            due = not self._asked and now >= self._next
            self._asked = self._asked or due
            return due

    def take(self) -> list[tuple[ShownOn, list[Value]]]:
        """All that waits."""
        with self._lock:
            found = list(self._waiting.values())
            self._waiting.clear()
            return found

    def written(self, seconds: float) -> None:
        """Say how long a write took, on which the time of the next one depends."""
        with self._lock:
            self._next, self._asked = time.monotonic() + max(EVERY, seconds / _SHARE), False

    def forget(self, key: str) -> None:
        """Show no more of a point."""
        with self._lock:
            for place in [place for place in self._waiting if place[1] == key]:
                del self._waiting[place]
