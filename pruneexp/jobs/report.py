"""The job's side: it holds its lock while it runs, and writes down where it is.

What is written is a courtesy to those who look on: where it cannot be written, the job goes on.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from pruneexp.errors import ReportedError, UserError, first_line, redact
from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.state import JobState, State, write_state, written

#: Seconds between two notes of epochs; points and ends are noted at once.
_EVERY = 1.0

#: Who looks whether the job lives holds its lock for less than a millisecond.
_PATIENCE = 5.0


class Report:
    """Told how far a job is; writes it through ``keep``, by default nowhere."""

    def __init__(self, state: JobState | None = None, keep: Callable[[JobState], None] = lambda state: None) -> None:
        self.state = state or JobState()
        self._keep = keep
        self._since = self._noted = time.monotonic()

    def asked(self, points: int) -> None:
        """So many points are to be made; the first begins now."""
        self._since = time.monotonic()
        self._note(points=points, done=0)

    def at(self, stage: str, epoch: int, epochs: int) -> None:
        """A training is in this epoch."""
        if stage != self.state.stage or time.monotonic() - self._noted >= _EVERY:
            self._note(stage=stage, epoch=epoch, epochs=epochs)

    def point(self, *, computed: bool) -> None:
        """Another point is recorded; ``computed`` where not everything of it was in the store."""
        took, self._since = time.monotonic() - self._since, time.monotonic()
        spent = {"computed": self.state.computed + 1, "seconds": self.state.seconds + took} if computed else {}
        self._note(done=self.state.done + 1, stage="", epoch=0, epochs=0, **spent)

    def ended(self, state: State, reason: str = "", *, mendable: bool = False) -> None:
        self._note(state=state, reason=reason, mendable=mendable, stage="", epoch=0, epochs=0)

    def _note(self, **changes: object) -> None:
        self._noted = time.monotonic()
        self.state = replace(self.state, **changes, updated=time.time())  # type: ignore[arg-type]
        with contextlib.suppress(OSError):
            self._keep(self.state)


class Taken(Exception):
    """Nothing to do: another process runs the job, or has just finished it."""


@contextlib.contextmanager
def reporting(root: Path, sweep: str | None, number: int | None) -> Iterator[Report]:
    """Say that a job runs, and at the end how it ended; without a sweep, nothing is written.

    Raises:
        Taken: another process runs the job, or it is done.
        UserError: the sweep's name is none.
    """
    if sweep is None or number is None:
        yield Report()
        return
    folder = SweepFolder(root, sweep)
    with _held(folder, number):
        before = written(folder, number)
        if before.state == "done":
            raise Taken(f"job {number} of {sweep} has been done meanwhile by a process on {before.host}")
        begun = replace(
            before, state="running", attempt=before.attempt + 1, host=socket.gethostname(), pid=os.getpid(), done=0,
            started=time.time(), reason="", mendable=False, stage="",
        )  # fmt: skip
        report = Report(begun, lambda state: write_state(folder, number, state))
        report.at("starting", 0, 0)
        try:
            yield report
        except KeyboardInterrupt as interrupt:
            report.ended("killed", f"told to leave by {interrupt}" if str(interrupt) else "interrupted")
            raise
        except BaseException as error:
            report.ended("failed", _reason(error), mendable=isinstance(error, UserError))
            raise
        report.ended("done")


@contextlib.contextmanager
def _held(folder: SweepFolder, number: int) -> Iterator[None]:
    folder.path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.lock(number), timeout=_PATIENCE)
    try:
        lock.acquire()
    except Timeout:
        host = written(folder, number).host
        raise Taken(f"job {number} of {folder.name} is run by another process, on {host}") from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)  # while held, as the store's locks are
        lock.release()


def _reason(error: BaseException) -> str:
    """The first line of what an exception says, without credentials, after its kind where it was not for people."""
    line, name = redact(first_line(error)), type(error).__name__
    return line if isinstance(error, ReportedError) or line == name else f"{name}: {line}"
