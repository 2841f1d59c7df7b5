"""Notice to leave: a signal asks the process to stop, and the work stops where nothing is lost.

A batch system that takes a machine away sends a signal, waits some seconds and kills. The handler only notes it;
whoever trains saves its position after the step at hand, whatever the clock says, and then raises ``Leaving``.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: SIGTERM of a scheduler that pre-empts or requeues; SIGUSR2 of one whose time limit comes near (submitit's choice).
SIGNALS = (signal.SIGTERM, signal.SIGUSR2)


class Leaving(KeyboardInterrupt):
    """The process was told to leave, and has saved what it was doing; not a failure, so no handler of errors sees it.

    ``signal`` is the number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)  # alone, so that it survives a way between processes
        self.signal = number

    def __str__(self) -> str:
        return signal.Signals(self.signal).name


class Notice:
    """Whether notice has been given, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def given(self) -> bool:
        return self.signal is not None

    def heed(self) -> None:
        """Leave, if notice has been given; called where everything is saved.

        Raises:
            Leaving: it has.
        """
        if self.signal is not None:
            raise Leaving(self.signal)

    def note(self, number: int, frame: FrameType | None = None) -> None:
        """Give notice; the handler of a signal."""
        self.signal = number


@contextmanager
def noticing(notice: Notice) -> Iterator[None]:
    """Have signals within the block noted; elsewhere than in the main thread Python lets nobody listen."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, notice.note) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
