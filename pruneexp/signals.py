"""Signals that end a process where nothing is lost. Knows nothing of what is computed or written.

Ctrl-C (SIGINT) ends the command after the write at hand; a second one ends it at once. SIGTERM and SIGUSR2 request a
stop: a batch system sends one, waits some seconds and kills. Code that trains then saves and raises ``Stopped``.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

INTERRUPTED = 130  # the exit status: 128 and the number of SIGINT


class Stopped(KeyboardInterrupt):
    """The process stops on request, with everything saved; not a failure, so no handler of errors sees it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)  # alone, so that it survives a way between processes
        self.signal = number

    def __str__(self) -> str:
        return signal.Signals(self.signal).name


class StopRequest:
    """Whether a signal has asked this process to stop; ``signal`` is its number, None before."""

    signal: int | None = None

    def receive(self, number: int, frame: FrameType | None = None) -> None:
        self.signal = number

    def stop_if_requested(self) -> None:
        if self.signal is not None:
            raise Stopped(self.signal)


class _Interrupts(threading.local):
    """What Ctrl-C has done to this thread: Python tells the main thread of signals, and no other."""

    came = False
    deferred = False
    writes = 0

    def receive(self, number: int, frame: FrameType | None) -> None:
        if self.came:
            os.write(2, b"left at once; the same command goes on where this one stopped\n")
            os._exit(INTERRUPTED)
        self.came, self.deferred = True, self.writes > 0
        if not self.deferred:
            raise KeyboardInterrupt


_interrupts = _Interrupts()


@contextmanager
def handling_interrupts() -> Iterator[None]:
    """Within, the first SIGINT interrupts after the write at hand, the second ends the process; unless ignored."""
    if signal.getsignal(signal.SIGINT) in (_interrupts.receive, signal.SIG_IGN):
        yield
        return
    _interrupts.came = _interrupts.deferred = False
    with _handled_by(_interrupts.receive, [signal.SIGINT]):
        yield


@contextmanager
def deferring_interrupts() -> Iterator[None]:
    """A write that an interrupt waits for, where ``handling_interrupts`` is in force; elsewhere nothing waits."""
    _interrupts.writes += 1
    try:
        yield
    finally:
        _interrupts.writes -= 1
        if _interrupts.deferred and not _interrupts.writes:
            _interrupts.deferred = False
            raise KeyboardInterrupt


def handling_stop_signals(stop: StopRequest) -> AbstractContextManager[None]:
    """Within, two signals make the request: SIGTERM of schedulers, and SIGUSR2 of submitit where time runs out."""
    return _handled_by(stop.receive, [signal.SIGTERM, signal.SIGUSR2])


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None], signals: Sequence[signal.Signals]) -> Iterator[None]:
    """Python allows handlers in the main thread alone; elsewhere nothing changes."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, handler) for number in signals if in_main_thread}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
