"""Where one job stands, as the job itself wrote it down, and whether the process that wrote it still lives.

A process number means nothing on another machine: who runs a job holds a lock, which ends with the process.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from filelock import FileLock, Timeout

from pruneexp.jobs.folder import SweepFolder, write

#: ``lost`` is never written: it is a job that says it runs, while nobody holds its lock.
State = Literal["waiting", "running", "done", "failed", "killed", "lost"]


@dataclass(frozen=True)
class JobState:
    """``computed`` points were not all in the store and took so many ``seconds``, both summed over all attempts.

    ``mendable`` failures are the machine's or the request's fault, not that of what was computed.
    ``started`` and ``updated`` are seconds since 1970, of the present attempt; ``epoch`` counts within ``stage``.
    """

    state: State = "waiting"
    attempt: int = 0
    host: str = ""
    pid: int = 0
    points: int | None = None
    done: int = 0
    computed: int = 0
    stage: str = ""
    epoch: int = 0
    epochs: int = 0
    started: float = 0.0
    updated: float = 0.0
    seconds: float = 0.0
    reason: str = ""
    mendable: bool = False


_FIELDS = {field.name for field in fields(JobState)}


def read_state(folder: SweepFolder, number: int) -> JobState:
    """What a job wrote last, ``lost`` where its process has ended without a word; waiting where it wrote nothing."""
    found = written(folder, number)
    if found.state == "running" and not held(folder, number):
        found = written(folder, number)  # it may have ended in between
        if found.state == "running":
            return JobState(**{**asdict(found), "state": "lost", "reason": f"its process on {found.host} ended"})
    return found


def written(folder: SweepFolder, number: int) -> JobState:
    """The file alone; a damaged one counts as none."""
    try:
        values: Any = json.loads(folder.state(number).read_text(encoding="utf-8"))
        return JobState(**{name: value for name, value in values.items() if name in _FIELDS})
    except (OSError, ValueError, AttributeError):
        return JobState()


def write_state(folder: SweepFolder, number: int, state: JobState) -> None:
    write(folder.state(number), json.dumps(asdict(state), indent=1))


def held(folder: SweepFolder, number: int) -> bool:
    """Whether a living process runs the job."""
    path = folder.lock(number)
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False
