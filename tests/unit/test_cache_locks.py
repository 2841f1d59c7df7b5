"""Locks: a file system without working ones is told at the start, and waiting for one ends with notice to leave."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pruneexp.cache.files import Paths
from pruneexp.cache.identity import stage_key
from pruneexp.cache.store import Store
from pruneexp.errors import UserError
from pruneexp.signals import Stopped, StopRequest

KEY = stage_key("dense", 1, {}, [])


def refuses(number: int) -> Callable[..., None]:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    return flock


def says_yes_to_everybody(descriptor: int, operation: int) -> None:
    """As on a network folder that is mounted with locks of one machine each, or with none."""


@pytest.mark.parametrize(
    ("flock", "reason"),
    [
        (refuses(errno.ENOLCK), "No locks available"),
        (refuses(errno.ENOSYS), "Function not implemented"),
        (refuses(errno.EOPNOTSUPP), "Operation not supported"),
        (says_yes_to_everybody, "two could hold the same lock"),
    ],
    ids=["ENOLCK", "ENOSYS", "EOPNOTSUPP", "no effect"],
)
def test_a_store_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flock: Callable[..., None], reason: str
) -> None:
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(UserError) as caught:
        Store(tmp_path / "store")
    sentence = str(caught.value)
    assert f"{tmp_path}/store lies on a file system without file locks ({reason})" in sentence
    assert sentence.endswith("choose a folder on another one with runtime.store=FOLDER.")


def test_a_process_that_waits_for_another_leaves_when_it_is_told_to(tmp_path: Path) -> None:
    stop, said = StopRequest(), list[str]()

    def told(sentence: str) -> None:
        said.append(sentence)
        stop.receive(signal.SIGTERM)

    store = Store(tmp_path, on_event=told, stop=stop)
    descriptor = os.open(Paths(tmp_path).lock(KEY), os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # as another process does that computes it
    with pytest.raises(Stopped, match="SIGTERM"):
        store.produce(KEY, "dense", lambda _: pytest.fail("it is another's to compute"))
    os.close(descriptor)
    assert said == [f"Another process is computing dense {KEY[:8]}: waiting for it."]
    assert Paths(tmp_path).lock(KEY).exists()  # it is not this one's to remove
