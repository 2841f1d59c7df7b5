"""Workers of a study that costs nothing, in this process and in others."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial
from sqlalchemy import Engine, event

from sweeps import driver, sampling
from sweeps.driver import Definition, Direction, Worker
from sweeps.storing import open_storage

DIMENSIONS: Mapping[str, BaseDistribution] = {
    "a": FloatDistribution(0.0, 2.0),
    "b": FloatDistribution(0.01, 1.0, log=True),
}
PARETO: Mapping[str, Direction] = {"accuracy": "maximize", "size": "minimize"}
ONE: Mapping[str, Direction] = {"accuracy": "maximize"}

#: One process that has imported Optuna, and forks; it runs no threads, unlike the one that runs the tests. Where tests
#: of the store run too, theirs is the same process: it needs torch, or each of their forks would import it.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.contracts.workers", "pruneexp.cache.store", "torch"])


def worker(
    storage: BaseStorage,
    *,
    sampler: str = "random",
    name: str = "study",
    objectives: Mapping[str, Direction] = PARETO,
    about: Mapping[str, Any] | None = None,
    stale_seconds: float = 120.0,
) -> Worker:
    """A worker of a study over ``DIMENSIONS``, which is made or joined."""
    chosen = sampling.sampler(sampler, 7, len(objectives), len(DIMENSIONS))
    definition = Definition(name, objectives, about if about is not None else {"bounds": [0.0, 2.0]})
    made = Worker(storage, definition, chosen, DIMENSIONS, stale_seconds=stale_seconds)
    made.prepare()
    return made


def value(trial: optuna.Trial) -> tuple[float, ...]:
    """Best in accuracy at a = 1, and the larger the b the better; the size, where it is asked for, is that of both."""
    a, b = trial.params["a"], trial.params["b"]
    return (-((a - 1) ** 2) + b, a + b)[: len(trial.study.directions)]


def told(storage: BaseStorage) -> list[tuple[int, str, dict[str, Any], list[float] | None]]:
    """Number, state, params and values of every trial, by number."""
    return [(trial.number, trial.state.name, trial.params, trial.values) for trial in trials(storage)]


def trials(storage: BaseStorage, name: str = "study") -> list[FrozenTrial]:
    return optuna.load_study(study_name=name, storage=storage).get_trials()


def opened(where: str) -> BaseStorage:
    """The storage of a URL, or of the path of a journal."""
    return open_storage(where, Path())


@contextlib.contextmanager
def without_syncing() -> Iterator[None]:
    """SQLite that leaves it to the system when to write to the disk: a commit takes 1 ms instead of 15.

    What is killed loses nothing by it, and locks are what they were.
    """

    def connected(connection: Any, record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)


def note(path: Path, line: object) -> None:
    with path.open("a") as file:
        file.write(f"{line}\n")


class Clock:
    """Stands for the driver's ``time``: sleeping takes no time, and ``meanwhile`` happens at every sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.meanwhile: Callable[[float], None] = lambda now: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile(self.now)


def running(storage: BaseStorage, signed: Mapping[str, Any] | None) -> int:
    """The id of a new trial that somebody runs, under this name."""
    study_id = storage.get_study_id_from_name("study")
    trial = storage.create_new_trial(study_id)
    if signed is not None:
        storage.set_trial_user_attr(trial, "pruneexp.worker", signed)
    return trial


def noted(log: list[int]) -> Callable[[optuna.Trial], Sequence[float]]:
    """Evaluates, and notes which."""

    def evaluate(trial: optuna.Trial) -> Sequence[float]:
        log.append(trial.number)
        return value(trial)

    return evaluate


# --- processes --------------------------------------------------------------------------------------------------------


def started(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    process = PROCESSES.Process(target=target, args=arguments)
    process.start()
    return process


def ended(process: BaseProcess) -> int | None:
    process.join(100)
    return process.exitcode


def die_in(where: str, sampler: str, objectives: Mapping[str, Direction], number: int) -> None:
    """Work, and die in the middle of a trial."""

    def evaluate(trial: optuna.Trial) -> Sequence[float]:
        if trial.number == number:
            os._exit(9)
        return value(trial)

    with without_syncing():
        worker(opened(where), sampler=sampler, objectives=objectives).work(30, evaluate)


def work_beside(others: int, where: str, total: int, log: Path) -> None:
    """Work on a study that so many others begin at the same moment; every evaluation is noted.

    Where there is a file ``kill`` beside the notes, one of those who find it dies in the middle of a trial.
    """
    driver._POLL_SECONDS = 0.05
    note(log.with_name("ready"), os.getpid())
    while log.with_name("ready").read_text().count("\n") <= others:
        time.sleep(0.001)

    def evaluate(trial: optuna.Trial) -> Sequence[float]:
        note(log, trial.number)
        if trial.number >= total // 4:
            with contextlib.suppress(FileNotFoundError):
                log.with_name("kill").unlink()  # one of them does
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.005)
        return value(trial)

    with without_syncing():
        worker(opened(where), sampler="tpe").work(total, evaluate)
