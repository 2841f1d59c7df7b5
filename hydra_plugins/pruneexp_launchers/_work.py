"""A job on its way to another machine and its result on the way back: text, both of them.

What crosses is what a person would type, and the job composes from it there; no configuration, function or result of
ours is pickled. Batch systems that pickle do so with a string.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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
from pruneexp.errors import JobFailed, ReportedError, UserError

#: Failures that keep their kind on the way; whatever else went wrong arrives as a UserError.
KINDS: Mapping[str, type[ReportedError]] = {kind.__name__: kind for kind in (JobFailed, UserError)}


@dataclass(frozen=True)
class Order:
    """One job: its number in the sweep, its command line, and the folder that its relative paths start from."""

    number: int
    overrides: list[str]
    folders: list[str]
    home: str


@dataclass(frozen=True)
class Outcome:
    """What a job came to: the numbers of its last point, or the kind and the sentence of its failure."""

    numbers: dict[str, float] | None = None
    failure: str | None = None
    sentence: str = ""


def orders(config: DictConfig, jobs: Sequence[Sequence[str]], first: int) -> list[Order]:
    """The jobs of a sweep that ``config`` composes, as they can be sent."""
    hydra = [str(line) for line in config.hydra.overrides.hydra if not str(line).startswith("hydra.searchpath=")]
    folders = search_folders(config.hydra)
    return [Order(_number(job, first + at), [*hydra, *job], folders, os.getcwd()) for at, job in enumerate(jobs)]


def _number(job: Sequence[str], otherwise: int) -> int:
    """The job's number in its sweep, which stays the same where only some of its jobs are launched."""
    prefix = "++runtime.job="
    return next((int(line.removeprefix(prefix)) for line in job if line.startswith(prefix)), otherwise)


def sent(order: Order) -> str:
    return json.dumps(asdict(order))


def carry_out(text: str) -> str:
    """Run the job of an order where this process is; a failure is part of what it returns."""
    order = Order(**json.loads(text))
    os.chdir(order.home)
    os.environ["HYDRA_FULL_ERROR"] = "1"
    skeleton.register()
    try:
        done = _run(order)
        numbers = done.return_value
        outcome = Outcome(None if numbers is None else {name: float(number) for name, number in numbers.items()})
    except Exception as error:  # noqa: BLE001  told by whoever started the sweep
        kind = type(error).__name__ if type(error).__name__ in KINDS else UserError.__name__
        outcome = Outcome(failure=kind, sentence=complaint(error))
    return json.dumps(asdict(outcome))


def _run(order: Order) -> JobReturn:
    """As Hydra's own launchers do on their side, with everything composed anew."""
    from hydra import initialize_config_dir

    from pruneexp.__main__ import job

    search = skeleton.search_path(order.folders)
    with initialize_config_dir(str(skeleton.conf_folder()), version_base="1.3", job_name="pruneexp"):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("config", [*search, *order.overrides], run_mode=RunMode.RUN)
        with open_dict(config):
            config.hydra.job.num, config.hydra.job.id = order.number, f"pruneexp_{order.number}"
        context = HydraContext(config_loader=loader, callbacks=Callbacks(config))
        return run_job(
            task_function=job,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            hydra_context=context,
        )


def returned(order: Order, outcome: Outcome, log: Path | None = None) -> JobReturn:
    """What a launcher hands to Hydra; a failure is said at once, for Hydra tells only the first, and after all jobs."""
    job = JobReturn(overrides=list(order.overrides), working_dir=order.home)
    if outcome.failure is None:
        job.status, job.return_value = JobStatus.COMPLETED, outcome.numbers
        return job
    error = KINDS[outcome.failure](outcome.sentence)
    where = f" (log: {log})" if log is not None else ""
    print(f"pruneexp: job {order.number}: {outcome.sentence}{where}", file=sys.stderr, flush=True)
    error.said = True
    job.status, job.return_value = JobStatus.FAILED, error
    return job


def received(text: str) -> Outcome:
    return Outcome(**json.loads(text))


def without_slots(order: Order) -> Order:
    """For batch systems that share out the GPUs themselves, unless somebody decided otherwise."""
    if any(line.lstrip("+").startswith("runtime.gpu_jobs=") for line in order.overrides):
        return order
    return replace(order, overrides=[*order.overrides, "runtime.gpu_jobs=0"])


def options(node: Mapping[str, Any]) -> dict[str, Any]:
    """What is set of a launcher's keys; null is the batch system's own default."""
    return {key: value for key, value in node.items() if value is not None}
