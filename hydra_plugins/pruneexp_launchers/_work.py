"""A job on its way to another process and its result on the way back: text, both of them.

What crosses is what a person would type, and the job composes from it there; no configuration, function or result of
ours is pickled. Batch systems that pickle do so with a string.
"""

import json
import os
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobReturn, JobStatus, run_job
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, open_dict

from pruneexp.config import skeleton
from pruneexp.config.choices import search_folders
from pruneexp.config.complaints import complaint
from pruneexp.errors import JobFailed, UserError


@dataclass(frozen=True)
class SentJob:
    """One job: its number in the sweep, its command line, and the folder that its relative paths start from."""

    number: int
    overrides: list[str]
    home: str

    def text(self) -> str:
        return json.dumps(asdict(self))


#: A job that is over, what came back of it, and where its log is: ``carry_out``'s values, or a ``failure`` to get them.
JobResult = tuple[SentJob, Mapping[str, Any], Path | None]


def check_installed(launcher: str, package: str) -> None:
    """Refuse a launcher whose package is missing; the extra of this project that brings it has the launcher's name.

    Raises:
        UserError: names the command that installs it.
    """
    if find_spec(package) is None:
        raise UserError(
            f"hydra/launcher={launcher} needs {package}, which is not installed: pip install -e '.[{launcher}]'"
        )


def launched(sent: Sequence[SentJob], run: Callable[[Sequence[SentJob]], Generator[JobResult]]) -> list[JobReturn]:
    """What a launcher hands to Hydra, in the order of its jobs.

    ``run`` submits them, yields each as it ends, and takes back what is left when it is closed, as by an exception.
    """
    with closing(run(sent)) as results:
        done = {job.number: returned(job, result, log) for job, result, log in results}
    return [done[job.number] for job in sent]


def to_send(config: DictConfig, jobs: Sequence[Sequence[str]], first: int, said: Sequence[str]) -> list[SentJob]:
    """The jobs of a sweep that ``config`` composes; what the launcher has ``said`` of each yields to its own words."""
    hydra = [str(line) for line in config.hydra.overrides.hydra if not str(line).startswith("hydra.searchpath=")]
    shared = [*skeleton.search_path(search_folders(config.hydra)), *hydra, *said]
    return [SentJob(_number(job, first + at), [*shared, *job], os.getcwd()) for at, job in enumerate(jobs)]


def shared_out(config: DictConfig, threads: int) -> list[str]:
    """What a batch system that shares out cores and GPUs itself says of each job."""
    return ["runtime.gpu_jobs=0", *threads_said(config, threads)]


def threads_said(config: DictConfig, threads: int) -> list[str]:
    """``runtime.threads``, to stand before a job's own overrides, which win; nothing where somebody decided already.

    The number is the launcher's own key for the cores of a job. It is said rather than set aside, so that it stands in
    the configuration that is recorded with every run: on a CPU the number can change the last bits of a sum. A user
    decides by the key itself or by OMP_NUM_THREADS.
    """
    decided = config.runtime.threads is not None or os.environ.get("OMP_NUM_THREADS")
    return [] if decided else [f"runtime.threads={threads}"]


def _number(job: Sequence[str], otherwise: int) -> int:
    """The job's number in its sweep, which stays the same where only some of its jobs are launched."""
    prefix = "++runtime.job="
    return next((int(line.removeprefix(prefix)) for line in job if line.startswith(prefix)), otherwise)


def carry_out(text: str) -> str:
    """Run a job that was sent, where this process is.

    Returns:
        JSON: the ``numbers`` of its last point, or the sentence of its ``failure``, which is ``partial`` where some
        points failed and neither the request nor the machine is at fault.
    """
    job = SentJob(**json.loads(text))
    os.chdir(job.home)
    os.environ["HYDRA_FULL_ERROR"] = "1"
    skeleton.register()
    try:
        numbers = value_of(_run(job)) or {}
    except Exception as error:  # noqa: BLE001  told by the process that started the sweep
        return json.dumps({"failure": complaint(error), "partial": isinstance(error, JobFailed)})
    return json.dumps({"numbers": {name: float(number) for name, number in numbers.items()}})


def _run(job: SentJob) -> JobReturn:
    """As Hydra's own launchers do on their side, with everything composed anew."""
    from hydra import initialize_config_dir

    from pruneexp.__main__ import job as task

    with initialize_config_dir(str(skeleton.conf_folder()), version_base="1.3", job_name="pruneexp"):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("config", job.overrides, run_mode=RunMode.RUN)
        with open_dict(config):
            config.hydra.job.num, config.hydra.job.id = job.number, f"pruneexp_{job.number}"
        context = HydraContext(config_loader=loader, callbacks=Callbacks(config))
        return run_job(
            task_function=task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=context,
        )


def value_of(job: JobReturn) -> Any:
    """What a job has returned; Hydra's own property would announce a failure in words of its own.

    Raises:
        Exception: what the job has raised.
    """
    value = job._return_value  # noqa: SLF001
    if job.status == JobStatus.FAILED:
        raise value
    return value


def returned(job: SentJob, result: Mapping[str, Any], log: Path | None = None) -> JobReturn:
    """What a launcher hands to Hydra, from what ``carry_out`` returned, or from the ``failure`` to get that.

    The latter is said at once: the job itself has said nothing.
    """
    done = JobReturn(overrides=list(job.overrides), working_dir=job.home)
    failure = result.get("failure")
    if failure is None:
        done.status, done.return_value = JobStatus.COMPLETED, result["numbers"]
        return done
    error = JobFailed(failure) if result.get("partial") else UserError(failure)
    if "partial" not in result:
        where = f" (log: {log})" if log is not None else ""
        print(f"pruneexp: job {job.number}: {failure}{where}", file=sys.stderr, flush=True)
    error.said = True
    done.status, done.return_value = JobStatus.FAILED, error
    return done
