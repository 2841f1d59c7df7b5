"""A process that is told to leave saves where it stands, begins nothing more, and says so by its exit status."""

from __future__ import annotations

import os
import pickle
import signal
from pathlib import Path

import pytest

from pruneexp.cache.identity import stage_key
from pruneexp.cache.store import Artefact, Checkpoint, Store
from pruneexp.signals import Stopped, StopRequest, handling_stop_signals

KEY, OTHER = stage_key("dense", 1, {}, []), stage_key("dense", 2, {}, [])


def test_a_signal_requests_a_stop_within_the_block_only() -> None:
    stop, before = StopRequest(), signal.getsignal(signal.SIGUSR2)
    with handling_stop_signals(stop):
        at_first = stop.signal
        os.kill(os.getpid(), signal.SIGUSR2)
        assert (at_first, stop.signal) == (None, signal.SIGUSR2)
    assert signal.getsignal(signal.SIGUSR2) is before


def test_what_is_trained_is_saved_at_once_and_nothing_more_is_begun(tmp_path: Path) -> None:
    stop = StopRequest()
    store = Store(tmp_path, checkpoint_every=3600.0, stop=stop)

    def make(checkpoint: Checkpoint) -> Artefact:
        assert not checkpoint.due()
        stop.receive(signal.SIGTERM)
        assert checkpoint.due()
        checkpoint.save({}, {"epoch": 3})
        pytest.fail("it goes on after it has saved")

    with pytest.raises(Stopped, match="SIGTERM"):
        store.produce(KEY, "dense", make)
    with pytest.raises(Stopped):
        store.produce(OTHER, "dense", lambda _: pytest.fail("it begins something"))

    def again(checkpoint: Checkpoint) -> Artefact:
        assert checkpoint.load() == ({}, {"epoch": 3})
        return Artefact({}, {})

    assert Store(tmp_path).produce(KEY, "dense", again)[1] is False


def test_what_is_stored_is_still_read_after_the_request(tmp_path: Path) -> None:
    stop = StopRequest()
    Store(tmp_path).produce(KEY, "dense", lambda _: Artefact({}, {"a": 1}))
    stop.receive(signal.SIGTERM)
    found, hit = Store(tmp_path, stop=stop).produce(KEY, "dense", lambda _: pytest.fail("computed again"))
    assert (dict(found.record), hit) == ({"a": 1}, True)


def test_stopped_survives_the_way_between_processes() -> None:
    left = pickle.loads(pickle.dumps(Stopped(signal.SIGUSR2)))  # noqa: S301  as joblib does
    assert (left.signal, str(left)) == (signal.SIGUSR2, "SIGUSR2")
