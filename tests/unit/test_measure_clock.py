"""Times of calls taken by turns, and what other processes do meanwhile."""

from __future__ import annotations

import math
import time

import pytest

from pruneexp.measure import clock
from pruneexp.measure.clock import CALLS, by_turns, watching


def test_each_call_is_timed_by_itself_and_often_enough() -> None:
    waits: list[int] = []
    found = by_turns(
        {"short": lambda: time.sleep(0.002), "long": lambda: time.sleep(0.006)}, lambda: waits.append(1), seconds=0.03
    )
    assert found["short"].low >= 0.002
    assert found["long"].low >= 0.006
    for timing in found.values():
        assert timing.low <= timing.median <= timing.high
        assert timing.calls >= CALLS
    assert len(waits) >= found["short"].calls + found["long"].calls  # the device is waited for in each


def test_calls_come_in_changing_order() -> None:
    called: list[str] = []
    by_turns({name: lambda name=name: called.append(name) for name in "abc"}, lambda: None, seconds=1e-9)  # type: ignore[misc]
    rounds = ["".join(called[at : at + 3]) for at in range(len(called) - 3 * CALLS, len(called), 3)]
    assert all(sorted(each) == ["a", "b", "c"] for each in rounds)
    assert len(set(rounds)) > 1


def test_own_work_is_no_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, own, clocks = iter([10.0, 14.0]), iter([1.0, 2.0]), iter([0.0, 2.0])
    monkeypatch.setattr(clock, "_busy_seconds", lambda: next(busy))
    monkeypatch.setattr("pruneexp.measure.clock.time.process_time", lambda: next(own))
    monkeypatch.setattr("pruneexp.measure.clock.time.perf_counter", lambda: next(clocks))
    with watching() as found:
        pass
    assert found.cores == 1.5  # of 4 s of all cores this process had 1, in 2 s


def test_a_system_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_busy_seconds", lambda: None)
    with watching() as busy:
        pass
    assert math.isnan(busy.cores)
