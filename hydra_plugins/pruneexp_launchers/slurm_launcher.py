"""``hydra/launcher=slurm``: each job of a sweep is a task of one Slurm job array, which submitit writes and submits.

Not by way of hydra-submitit-launcher 1.2.0 (the last release, of 2022): it pickles the whole configuration and every
result, does nothing at SIGTERM, which ``scontrol requeue`` and pre-emption send, and waits for ever for a job that was
cancelled where the cluster keeps no accounts (submitit asks ``sacct``). No ``annotations`` from ``__future__``: Hydra
executes the module before it is in ``sys.modules``.
"""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.pruneexp_launchers import _queue
from hydra_plugins.pruneexp_launchers._share import threaded
from hydra_plugins.pruneexp_launchers._work import (
    Order,
    Outcome,
    carry_out,
    options,
    orders,
    received,
    returned,
    sent,
    without_slots,
)
from pruneexp.config.launchers import check_installed
from pruneexp.errors import UserError
from pruneexp.signals import Stopped

#: Options that submitit has for every batch system, under one name.
SHARED = ("name", "nodes", "tasks_per_node", "cpus_per_task", "gpus_per_node", "mem_gb", "timeout_min")


class Task:
    """What runs on a node. A signal to leave ends it with everything saved, so that Slurm can start it again."""

    def __call__(self, order: str) -> str:
        try:
            return carry_out(order)
        except Stopped as stopped:
            limit = signal.getsignal(signal.SIGUSR2)
            if stopped.signal == signal.SIGUSR2 and callable(limit):
                limit(stopped.signal, None)  # submitit's: puts the job back into the queue, and exits
            sys.exit(128 + stopped.signal)  # SIGTERM: whoever sent it has decided what becomes of the job

    def checkpoint(self, order: str) -> Any:
        """For submitit, when it puts the job back: the same order again, which finds what was saved."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, order)


class SlurmLauncher(Launcher):
    """``folder`` is for logs, on a disk that every node sees; ``requeues`` bounds how often a time limit may strike.

    The other options are submitit's, most of them sbatch's own.
    """

    def __init__(self, folder: str, requeues: int, **given: Any) -> None:
        self.folder, self.requeues = Path(folder), requeues
        self.given = options({key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
                              for key, value in given.items()})  # fmt: skip
        self.config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        check_installed("slurm")
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        assert self.config is not None
        cores = int(self.given.get("cpus_per_task", 1))
        jobs, _ = threaded(job_overrides, self.config.runtime.threads, cores)
        wanted = [without_slots(order) for order in orders(self.config, jobs, initial_job_idx)]
        submitted = self._submit(wanted, cores)
        print(f"pruneexp: {len(wanted)} jobs are with Slurm as {submitted[0].job_id.partition('_')[0]}, "
              f"their logs in {self.folder}", file=sys.stderr, flush=True)  # fmt: skip
        return _collected(wanted, submitted)

    def _submit(self, wanted: Sequence[Order], cores: int) -> list[Any]:
        from submitit import AutoExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        given = {**self.given, "srun_args": [f"--cpus-per-task={cores}"]}  # which srun no longer takes from sbatch
        try:
            executor = AutoExecutor(self.folder.absolute(), cluster="slurm", slurm_max_num_timeout=self.requeues)
            executor.update_parameters(**{key if key in SHARED else f"slurm_{key}": given[key] for key in given})
            return list(executor.map_array(Task(), [sent(order) for order in wanted]))
        except (FailedJobError, FailedSubmissionError, RuntimeError, ValueError, OSError) as error:
            raise UserError(f"hydra/launcher=slurm: the jobs could not be submitted: {_last_line(error)}") from error


def _collected(wanted: Sequence[Order], submitted: Sequence[Any]) -> list[JobReturn]:
    """Wait for every job; whoever gives up waiting takes back those that are not over."""
    names = {job.job_id: number for number, job in enumerate(submitted)}
    done: dict[int, JobReturn] = {}

    def over(name: str) -> None:
        number = names[name]
        job = submitted[number]
        done[number] = returned(wanted[number], _outcome(job), job.paths.stderr)

    try:
        _queue.wait({job.job_id: job.paths.result_pickle for job in submitted}, over)
    except BaseException:
        _queue.cancel([name for name, number in names.items() if number not in done])
        raise
    return [done[number] for number in range(len(wanted))]


def _outcome(job: Any) -> Outcome:
    if not job.paths.result_pickle.exists():
        return _failed(f"Slurm ended {job.job_id} before it was done: cancelled, or killed")
    error = job.exception()
    if error is not None:
        return _failed(_last_line(error))
    return received(job.result())


def _last_line(error: BaseException) -> str:
    """Where a traceback, or what a command has printed, says what went wrong."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()


def _failed(sentence: str) -> Outcome:
    return Outcome(failure=UserError.__name__, sentence=sentence)
