"""``hydra/launcher=slurm``: each job of a sweep is a task of one Slurm job array, which submitit writes and submits.

Not by way of hydra-submitit-launcher 1.2.0 (the last release, of 2022): it pickles the whole configuration and every
result, does nothing at SIGTERM, which ``scontrol requeue`` and pre-emption send, and waits for ever for a job that was
cancelled where the cluster keeps no accounts, which ``sacct`` needs and ``squeue`` does not. No ``annotations`` from
``__future__``: Hydra executes the module before it is in ``sys.modules``.
"""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.pruneexp_launchers._work import (
    JobResult,
    SentJob,
    carry_out,
    check_installed,
    launched,
    shared_out,
    to_send,
)
from pruneexp.errors import UserError
from pruneexp.signals import Stopped

#: Options that submitit has for every batch system, under one name.
SHARED = ("name", "nodes", "tasks_per_node", "cpus_per_task", "gpus_per_node", "mem_gb", "timeout_min")

_LOOK_SECONDS = 5.0
#: Looks for which a job is not in the queue and its result may still be on its way through a shared disk.
_LOOKS = 3


class SlurmTask:
    """What runs on a node. A signal to leave ends it with everything saved, so that Slurm can start it again."""

    def __call__(self, job: str) -> str:
        try:
            return carry_out(job)
        except Stopped as stopped:
            limit = signal.getsignal(signal.SIGUSR2)
            if stopped.signal == signal.SIGUSR2 and callable(limit):
                limit(stopped.signal, None)  # submitit's: puts the job back into the queue, and exits
            sys.exit(128 + stopped.signal)  # SIGTERM: its sender has decided what becomes of the job

    def checkpoint(self, job: str) -> Any:
        """For submitit, when it puts the job back: the same job again, which finds what was saved."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, job)


class SlurmLauncher(Launcher):
    """``folder`` is for logs, on a disk that every node sees; ``requeues`` bounds how often a time limit may strike.

    The other options are submitit's, most of them sbatch's own; null is the cluster's default.
    """

    def __init__(self, folder: str, requeues: int, **given: Any) -> None:
        self.folder, self.requeues = Path(folder), requeues
        self.given: dict[str, Any] = {
            key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for key, value in given.items()
            if value is not None
        }
        self.cores = int(self.given.get("cpus_per_task", 1))

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        check_installed("slurm", "submitit")
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        said = shared_out(self.config, self.cores)
        return launched(to_send(self.config, job_overrides, initial_job_idx, said), self._run)

    def _run(self, jobs: Sequence[SentJob]) -> Generator[JobResult]:
        submitted = self._submit(jobs)
        array = submitted[0].job_id.partition("_")[0]
        print(f"pruneexp: {len(jobs)} jobs are with Slurm as {array}, their logs in {self.folder}", file=sys.stderr)
        left = {each.job_id: (each, job) for each, job in zip(submitted, jobs, strict=True)}
        try:
            for name in ended({each.job_id: each.paths.result_pickle for each in submitted}):
                each, job = left.pop(name)
                yield job, _result(each), each.paths.stderr
        finally:  # a command that stops waiting takes back those that are not over
            cancel(left)

    def _submit(self, jobs: Sequence[SentJob]) -> list[Any]:
        from submitit import AutoExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        given = {**self.given, "srun_args": [f"--cpus-per-task={self.cores}"]}  # which srun no longer takes from sbatch
        try:
            executor = AutoExecutor(self.folder.absolute(), cluster="slurm", slurm_max_num_timeout=self.requeues)
            executor.update_parameters(**{key if key in SHARED else f"slurm_{key}": given[key] for key in given})
            return list(executor.map_array(SlurmTask(), [job.text() for job in jobs]))
        except (FailedJobError, FailedSubmissionError, RuntimeError, ValueError, OSError) as error:
            raise UserError(f"hydra/launcher=slurm: the jobs could not be submitted: {_last_line(error)}") from error


def ended(results: Mapping[str, Path]) -> Iterator[str]:
    """Each job as it ends: its file of results is there, or it has left the queue without one."""
    left = dict(results)
    missed = Counter[str]()
    while left:
        time.sleep(_LOOK_SECONDS)
        missed.update(left.keys() - in_queue(left))
        for name in [name for name, file in left.items() if file.exists() or missed[name] > _LOOKS]:
            del left[name]
            yield name


def in_queue(names: Collection[str]) -> set[str]:
    """Those of these jobs that wait or run; all of them where Slurm does not answer."""
    arrays = sorted({name.partition("_")[0] for name in names})
    command = ["squeue", "--noheader", "--array", "--format=%i", f"--jobs={','.join(arrays)}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return set(done.stdout.split())
    return set() if "Invalid job id" in done.stderr else set(names)  # an id that it has forgotten


def cancel(names: Collection[str]) -> None:
    """Take jobs out of the queue, running ones too."""
    if names:
        subprocess.run(["scancel", *names], capture_output=True, check=False)


def _result(submitted: Any) -> dict[str, Any]:
    """What ``carry_out`` returned on the node, or the ``failure`` to get that."""
    if not submitted.paths.result_pickle.exists():
        return {"failure": f"Slurm ended {submitted.job_id} before it was done: cancelled, or killed"}
    error = submitted.exception()
    return {"failure": _last_line(error)} if error is not None else dict(json.loads(submitted.result()))


def _last_line(error: BaseException) -> str:
    """Where a traceback, or what a command has printed, says what went wrong."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
