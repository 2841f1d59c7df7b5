"""Seconds of calls, taken by turns so that other work on the machine falls on all alike, and how much there was.

Knows nothing of networks.
"""

from __future__ import annotations

import gc
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

#: Each call is warmed up for so many seconds and calls, then timed for so many seconds and calls at least.
WARM_SECONDS, WARM_CALLS, SECONDS, CALLS = 0.2, 3, 1.0, 10

Call = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Seconds of a call: the median of ``calls``, and the quartiles around it."""

    median: float
    low: float
    high: float
    calls: int


@dataclass
class Busyness:
    """``cores`` that other processes kept busy on average; not a number where the system does not say."""

    cores: float = float("nan")


def by_turns(calls: Mapping[str, Call], wait: Call, *, seconds: float = SECONDS) -> dict[str, Timing]:
    """Time calls by turns, each for ``seconds``; ``wait`` returns once the device has done what it was given."""
    for call in calls.values():
        began, warm = time.perf_counter(), 0
        while warm < WARM_CALLS or time.perf_counter() - began < min(WARM_SECONDS, seconds):
            call()
            warm += 1
        wait()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    order, collects = random.Random(0), gc.isenabled()
    gc.disable()  # a collection would fall on one of them
    try:
        while any(len(each) < CALLS or sum(each) < seconds for each in taken.values()):
            # In another order each time: the caches hold what the call before has left there.
            for name, call in order.sample(list(calls.items()), len(calls)):
                began = time.perf_counter()
                call()
                wait()
                taken[name].append(time.perf_counter() - began)
    finally:
        if collects:
            gc.enable()
    return {name: _timing(each) for name, each in taken.items()}


def _timing(seconds: Sequence[float]) -> Timing:
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return Timing(median, low, high, len(seconds))


@contextmanager
def watching() -> Iterator[Busyness]:
    """Find out how many cores other processes keep busy while the block runs."""
    found, before, began = Busyness(), _busy_seconds(), time.perf_counter()
    own = time.process_time()
    yield found
    after, lasted = _busy_seconds(), time.perf_counter() - began
    if before is not None and after is not None and lasted > 0:
        found.cores = max(0.0, (after - before) - (time.process_time() - own)) / lasted


def _busy_seconds() -> float | None:
    """Seconds that all cores together have worked since the machine started; None where the system does not say."""
    try:
        first = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
        user, nice, system, _idle, _wait, interrupt, soft, steal = map(int, first)
    except (OSError, ValueError, IndexError):
        return None
    return (user + nice + system + interrupt + soft + steal) / os.sysconf("SC_CLK_TCK")
