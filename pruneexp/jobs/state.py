"""Where one job of a sweep stands, as the process that runs it writes it down, and whether that process still lives.

A process number means nothing on another machine: the process that runs a job holds a lock, which ends with it. What is
written is a courtesy to other processes that look on: where it cannot be written, the job goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from pruneexp.errors import ReportedError, UserError, first_line, redact
from pruneexp.jobs.folder import SweepFolder
from pruneexp.shared_files import free, write_text

#: ``stopped`` by a signal, or for want of something that can be mended; ``failed`` by itself, as it would again.
#: ``lost`` is never written: the job says that it runs, while no process holds its lock.
State = Literal["waiting", "running", "done", "failed", "stopped", "lost"]

#: Seconds between two notes of epochs; points and ends are noted at once.
_EVERY = 1.0

#: A process that looks whether the job lives holds its lock for less than a millisecond.
_PATIENCE = 5.0


@dataclass(frozen=True)
class JobState:
    """Of the ``points`` asked for ``done`` are recorded; ``stored`` were in the store when this attempt began.

    ``started`` and ``updated`` are seconds since 1970, of the present attempt; ``epoch`` counts within ``stage``.
    """

    state: State = "waiting"
    attempt: int = 0
    host: str = ""
    pid: int = 0
    points: int | None = None
    done: int = 0
    stored: int = 0
    stage: str = ""
    epoch: int = 0
    epochs: int = 0
    started: float = 0.0
    updated: float = 0.0
    reason: str = ""


class JobNotNeeded(Exception):
    """Nothing to do: another process runs the job, or has just finished it."""


class JobLog:
    """Keeps the state of a job up to date; by default it is written nowhere."""

    def __init__(self, state: JobState | None = None, keep: Callable[[JobState], None] = lambda state: None) -> None:
        self.state = state or JobState()
        self._keep = keep
        self._noted = time.monotonic()

    def asked(self, points: int, stored: int = 0) -> None:
        """So many points are to be made, of which so many are in the store."""
        self._note(points=points, stored=stored, done=0)

    def at(self, stage: str, epoch: int, epochs: int) -> None:
        """A training is in this epoch."""
        if stage != self.state.stage or time.monotonic() - self._noted >= _EVERY:
            self._note(stage=stage, epoch=epoch, epochs=epochs)

    def point(self) -> None:
        """Another point is recorded."""
        self._note(done=self.state.done + 1, stage="", epoch=0, epochs=0)

    def ended(self, state: State, reason: str = "") -> None:
        self._note(state=state, reason=reason, stage="", epoch=0, epochs=0)

    def _note(self, **changes: object) -> None:
        self._noted = time.monotonic()
        self.state = replace(self.state, **changes, updated=time.time())  # type: ignore[arg-type]
        with contextlib.suppress(OSError):
            self._keep(self.state)


@contextlib.contextmanager
def job_log(root: Path, sweep: str | None, number: int | None) -> Iterator[JobLog]:
    """Say that a job runs, and at the end how it ended; without a sweep, nothing is written.

    Raises:
        JobNotNeeded: another process runs the job, or it is done.
        UserError: the sweep's name is none.
    """
    if sweep is None or number is None:
        yield JobLog()
        return
    folder = SweepFolder(root, sweep)
    folder.path.mkdir(parents=True, exist_ok=True)
    with free(folder.lock(number), _PATIENCE) as mine:
        before = written(folder, number)
        if not mine:
            raise JobNotNeeded(f"job {number} of {sweep} is run by another process, on {before.host}")
        if before.state == "done":
            raise JobNotNeeded(f"job {number} of {sweep} has been done meanwhile by a process on {before.host}")
        begun = JobState(
            state="running", attempt=before.attempt + 1, host=socket.gethostname(), pid=os.getpid(),
            points=before.points, started=time.time(),
        )  # fmt: skip
        log = JobLog(begun, lambda state: write_state(folder, number, state))
        log.at("starting", 0, 0)
        try:
            yield log
        except KeyboardInterrupt as notice:
            log.ended("stopped", f"told to leave by {notice}" if str(notice) else "interrupted")
            raise
        except BaseException as error:
            log.ended("stopped" if isinstance(error, UserError) else "failed", reason_of(error))
            raise
        log.ended("done")


def read_state(folder: SweepFolder, number: int) -> JobState:
    """What a job wrote last; ``lost`` where its process has ended without a word."""
    found = written(folder, number)
    if found.state == "running" and not _is_held(folder.lock(number)):
        found = written(folder, number)  # it may have ended in between
        if found.state == "running":
            return replace(found, state="lost", reason=f"its process on {found.host} ended")
    return found


def written(folder: SweepFolder, number: int) -> JobState:
    """The file alone; none, a damaged one or one of another version is that of a job not begun."""
    try:
        found = JobState(**json.loads(folder.state(number).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return JobState()
    return found if found.state in get_args(State) else JobState()


def write_state(folder: SweepFolder, number: int, state: JobState) -> None:
    write_text(folder.state(number), json.dumps(asdict(state), indent=1))


def _is_held(lock: Path) -> bool:
    with contextlib.suppress(OSError):
        if lock.exists():
            with free(lock) as nobody:
                return not nobody
    return False


def reason_of(error: BaseException) -> str:
    """The first line of what an exception says, without credentials, after its kind where it was not for people."""
    line, name = redact(first_line(error)), type(error).__name__
    return line if isinstance(error, ReportedError) or line == name else f"{name}: {line}"
