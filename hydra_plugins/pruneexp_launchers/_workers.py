"""Processes of this machine that run jobs, each one after the other, and the loop that hands the jobs out.

What crosses is text (``_work``). A worker hears no Ctrl-C, which a terminal sends to every process: the command that
started it does, and asks it to leave by SIGTERM, at which a job saves its position. A worker whose command has died is
told the same by the kernel.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Collection, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from hydra_plugins.pruneexp_launchers._work import JobResult, SentJob, carry_out
from pruneexp.signals import Stopped, ignoring_interrupts, raising_stops

#: What a worker runs; its argument is the file descriptor of its end of the pipe.
_PROGRAM = f"import sys; from {__name__} import serve; serve(int(sys.argv[1]))"

#: Seconds in which a worker that was asked to leave can save the position of its job before it is killed.
_GRACE = 15.0

#: Of prctl: the signal that the kernel sends to a process whose parent has died.
_PR_SET_PDEATHSIG = 1


@dataclass
class _Worker:
    """A process, this side of its pipe, and the job that it runs."""

    process: subprocess.Popen[bytes]
    pipe: Connection
    job: SentJob

    def give(self, job: SentJob) -> None:
        self.job = job
        with suppress(BrokenPipeError):  # it has died, as ``result`` will tell
            self.pipe.send_bytes(job.text().encode())

    def result(self) -> dict[str, Any] | None:
        """What ``carry_out`` returned; None where the process has died."""
        try:
            return dict(json.loads(self.pipe.recv_bytes()))
        except (EOFError, OSError):
            return None


def run_in_workers(jobs: Sequence[SentJob], at_once: int) -> Generator[JobResult]:
    """Each job as it ends. Closing the generator asks the workers to leave, and waits until they have.

    A worker that dies takes its job with it; another one goes on with the next.

    Raises:
        Stopped: this process is told to leave.
    """
    left, workers = deque(jobs), dict[Connection, _Worker]()
    try:
        with raising_stops():
            while left and len(workers) < at_once:
                _start(left.popleft(), workers)
            while workers:
                for pipe in wait(list(workers)):
                    assert isinstance(pipe, Connection)
                    yield _over(workers[pipe], left, workers)
    finally:
        _end(workers.values())


def _start(job: SentJob, workers: dict[Connection, _Worker]) -> None:
    """Start a worker on a job; it finds the modules that this process finds."""
    here, there = Pipe()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
    command = [sys.executable, "-c", _PROGRAM, str(there.fileno())]
    with there, ignoring_interrupts():  # a process is born with what its parent ignores
        process = subprocess.Popen(command, env=environment, pass_fds=[there.fileno()])
    workers[here] = _Worker(process, here, job)
    workers[here].give(job)


def _over(worker: _Worker, left: deque[SentJob], workers: dict[Connection, _Worker]) -> JobResult:
    """The result of a job, once its worker has the next one, if any is left."""
    job, result = worker.job, worker.result()
    if result is not None and left:
        worker.give(left.popleft())
        return job, result, None
    del workers[worker.pipe]
    _end([worker])
    if left:
        _start(left.popleft(), workers)
    status = worker.process.returncode
    return job, result or {"failure": f"the process that ran it has ended ({_cause(status)})"}, None


def _cause(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _end(workers: Collection[_Worker]) -> None:
    """Have workers leave: at once those without a job, the others when its position is saved."""
    for worker in workers:
        worker.pipe.close()
        worker.process.terminate()
    deadline = time.monotonic() + _GRACE
    for worker in workers:
        try:
            worker.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()


def serve(descriptor: int) -> None:
    """What a worker does: one job after the other, until it is asked to leave or nothing can ask any more."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    pipe = Connection(descriptor)
    try:
        with raising_stops():
            while True:
                pipe.send_bytes(carry_out(pipe.recv_bytes().decode()).encode())
    except (EOFError, BrokenPipeError, Stopped):
        return
