"""A process that forks sweeps and kills them at a chosen moment; what is the same each time is done once.

Importing and composing, that is: together they take ten times as long as the work of a small sweep. Run as ``python -m
tests.contracts.killing``: reads one order per line, answers each with one line. The moments are put in from outside, by
wrapping functions in the forked process: production code knows nothing of them.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig

from pruneexp.experiment.owing import told_what_is_owed
from pruneexp.signals import handling_interrupts
from tests.contracts.composing import composed

ROOT = Path(__file__).parents[2]

Place = Literal["checkpoint", "artefact", "run", "batch", "termination", "point", "curve", "epoch", "file"]

Side = Literal["before", "after"]

#: Exit status of a sweep that raised something; it stands in the folder's log.
FAILED = 70

#: Audit events at which Python touches a file or folder.
TOUCHES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"}


@dataclass(frozen=True)
class Moment:
    """Just before or just after the ``number``-th time that something happens, counted from 1."""

    place: Place
    number: int
    side: Side = "before"


@dataclass(frozen=True)
class Order:
    """Jobs to run one after the other in a folder, killed at a moment, or after some seconds, or not at all."""

    folder: str
    jobs: list[list[str]]
    moment: Moment | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Answer:
    """Exit status (negative: the signal), seconds, and how often each place was come by where it was not killed."""

    status: int
    seconds: float
    counts: dict[str, int]


class Executioner:
    """The process, from the side of a test."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, order: Order) -> Answer:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the process is gone: {self._process.poll()}"
        return Answer(**json.loads(line))


@contextmanager
def executioner() -> Iterator[Executioner]:
    command = [sys.executable, "-m", "tests.contracts.killing"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Executioner(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


def _serve() -> None:
    import mlflow.store.tracking.sqlalchemy_store
    import mlflow.tracking  # noqa: F401

    import pruneexp.experiment.run
    import pruneexp.training.fit  # noqa: F401

    for line in sys.stdin:
        found = json.loads(line)
        moment = Moment(**found.pop("moment")) if found["moment"] is not None else found.pop("moment")
        print(json.dumps(asdict(_carried_out(Order(**found, moment=moment)))), flush=True)


def _carried_out(order: Order) -> Answer:
    composed = [_composed(tuple(job)) for job in order.jobs]
    began, counts = time.monotonic(), Path(order.folder, "counts.json")
    counts.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _run(order, composed)
    if order.seconds is not None:
        time.sleep(order.seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    seen = json.loads(counts.read_text()) if counts.exists() else {}
    return Answer(os.waitstatus_to_exitcode(status), time.monotonic() - began, seen)


@functools.cache
def _composed(overrides: tuple[str, ...]) -> tuple[DictConfig, Mapping[str, str]]:
    return composed(*overrides)


def _run(order: Order, jobs: list[tuple[DictConfig, Mapping[str, str]]]) -> None:
    """In the forked process: what the command does with its jobs."""
    status = FAILED
    try:
        os.chdir(order.folder)
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        counted = _armed(order.moment, order.folder)
        from pruneexp.experiment.run import run

        with handling_interrupts(), told_what_is_owed("pruneexp") as left:
            for config, choices in jobs:
                run(config.copy(), choices)
        Path("counts.json").write_text(json.dumps(counted))
        status = left.status
    finally:
        if status == FAILED:
            traceback.print_exc()
        os._exit(status)


def _armed(moment: Moment | None, folder: str) -> dict[str, int]:
    """Count every place that may be killed at, and kill at the moment; the counts, as they grow."""
    from mlflow.tracking import MlflowClient

    from pruneexp.cache import files
    from pruneexp.experiment.display import Display
    from pruneexp.tracking import Tracker

    counts: dict[str, int] = {}

    def come_by(place: Place, side: Side) -> None:
        if side == "before":
            counts[place] = counts.get(place, 0) + 1
        if moment is not None and moment == Moment(place, counts[place], side):
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(owner: Any, name: str, place_of: Callable[..., Place | None]) -> None:
        real = getattr(owner, name)

        def wrapped(*arguments: Any, **named: Any) -> Any:
            place = place_of(*arguments)
            if place is None:
                return real(*arguments, **named)
            come_by(place, "before")
            result = real(*arguments, **named)
            come_by(place, "after")
            return result

        setattr(owner, name, wrapped)

    wrap(files, "publish", lambda _, final: "artefact" if "artefacts" in final.parts else "checkpoint")
    wrap(MlflowClient, "create_run", lambda *_: "run")
    wrap(MlflowClient, "log_batch", lambda *_: "batch")
    wrap(MlflowClient, "set_terminated", lambda *_: "termination")
    wrap(Tracker, "record", lambda *_: "point")
    wrap(Tracker, "update", lambda *_: "curve")
    wrap(Display, "training", lambda _, event: "epoch" if event.kind == "epoch" else None)

    def touched(event: str, arguments: tuple[Any, ...]) -> None:
        if event in TOUCHES and str(arguments[0]).startswith(folder):
            come_by("file", "before")

    sys.addaudithook(touched)
    return counts


if __name__ == "__main__":
    _serve()
