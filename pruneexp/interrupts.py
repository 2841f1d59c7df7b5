"""Ctrl-C: once lets the write at hand finish and then stops, twice leaves at once. Knows nothing of what is written.

Leaving at once harms nothing either, as whatever is written survives ``kill -9``; but what was just computed is lost.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

#: Exit status of a process that was interrupted: 128 and the signal's number.
STATUS = 130


@dataclass
class _State:
    """Of the main thread, which is the one that Python tells of signals."""

    times: int = 0
    writing: int = 0
    waiting: bool = False


_state = _State()


@contextmanager
def graceful() -> Iterator[None]:
    """Within: the first SIGINT raises ``KeyboardInterrupt``, after the write at hand; the second ends the process.

    Changes nothing where it is in force already, outside the main thread, and where SIGINT is ignored.
    """
    before = signal.getsignal(signal.SIGINT)
    if not _is_main_thread() or before in (_on_interrupt, signal.SIG_IGN):
        yield
        return
    _state.times, _state.waiting = 0, False
    signal.signal(signal.SIGINT, _on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def finished_first() -> Iterator[None]:
    """A write that an interrupt waits for; where ``graceful`` is not in force, it does not wait."""
    if not _is_main_thread():
        yield
        return
    _state.writing += 1
    try:
        yield
    finally:
        _state.writing -= 1
        if _state.waiting and not _state.writing:
            _state.waiting = False
            raise KeyboardInterrupt


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    _state.times += 1
    if _state.times > 1:
        os.write(2, b"left at once; the same command goes on where this one stopped\n")
        os._exit(STATUS)
    if not _state.writing:
        raise KeyboardInterrupt
    _state.waiting = True


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
