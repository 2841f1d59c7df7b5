"""Signals that end a process where nothing is lost. Knows nothing of what is computed or written.

Ctrl-C (SIGINT) interrupts the command, which then says how its curve ended; a second one kills it. SIGTERM and SIGUSR2
request a stop: a batch system sends one, waits some seconds and kills. Code that trains then saves and raises
``Stopped``.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
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


def handling_interrupts() -> AbstractContextManager[None]:
    """Within, the first SIGINT raises ``KeyboardInterrupt``, the second kills; where SIGINT is ignored it stays so."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return nullcontext()
    return _handled_by(_interrupt, [signal.SIGINT])


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    raise KeyboardInterrupt


def handling_stop_signals(stop: StopRequest) -> AbstractContextManager[None]:
    """Within, two signals make the request: SIGTERM of schedulers, and SIGUSR2 of submitit where time runs out."""
    return _handled_by(stop.receive, [signal.SIGTERM, signal.SIGUSR2])


def raising_stops() -> AbstractContextManager[None]:
    """Within, the same two raise ``Stopped`` at once: for a process that waits for others, with nothing to save."""
    return _handled_by(_stop, [signal.SIGTERM, signal.SIGUSR2])


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


def ignoring_interrupts() -> AbstractContextManager[None]:
    """Within, SIGINT does nothing; a process that is started here never hears it."""
    return _handled_by(signal.SIG_IGN, [signal.SIGINT])


@contextmanager
def _handled_by(
    handler: Callable[[int, FrameType | None], None] | signal.Handlers, signals: Sequence[signal.Signals]
) -> Iterator[None]:
    """Python allows handlers in the main thread alone; elsewhere nothing changes."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, handler) for number in signals if in_main_thread}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
