"""``hydra/launcher=local``, the usual one: jobs on this machine, side by side where it has room for several.

``joblib``, the name that Hydra's users know, is the same with one job for each core. No ``annotations`` from
``__future__``: Hydra executes the module before it is in ``sys.modules``, where dataclasses would look them up.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.pruneexp_launchers._work import launched, to_send
from hydra_plugins.pruneexp_launchers._workers import run_in_workers
from pruneexp.errors import UserError
from pruneexp.experiment import gpus


@dataclass
class LocalLauncherConf:
    """``hydra/launcher=local``.

    ``n_jobs`` run at a time: null is as many as the plan of the sweep finds room for, -1 is one for each core.
    """

    _target_: str = "hydra_plugins.pruneexp_launchers.local_launcher.LocalLauncher"
    n_jobs: int | None = None


ConfigStore.instance().store(group="hydra/launcher", name="local", node=LocalLauncherConf, provider="pruneexp")


class LocalLauncher(Launcher):
    """One job after the other in this process, or several at a time in processes of their own.

    ``room`` is the number of jobs at a time that a sweeper has found room for, before ``launch``; one that has no plan
    of its jobs leaves it at 1.
    """

    def __init__(self, n_jobs: int | None) -> None:
        self.n_jobs, self.room = n_jobs, 1

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        if self.n_jobs == 0:
            raise UserError("hydra.launcher.n_jobs=0: give the number of jobs at a time; -1 is one for each core")
        self.config, self.within = config, BasicLauncher()
        self.within.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        at_once, cores = self.shares(len(job_overrides))
        if at_once == 1:
            return self.within.launch(job_overrides, initial_job_idx)
        print(f"pruneexp: {at_once} jobs at a time, {cores} core{'s' * (cores > 1)} each", file=sys.stderr, flush=True)
        sent = to_send(self.config, job_overrides, initial_job_idx, cores_said(self.config, cores))
        return launched(sent, partial(run_in_workers, at_once=at_once))

    def shares(self, jobs: int) -> tuple[int, int]:
        """How many of so many jobs run at once, and the cores of each."""
        from joblib import cpu_count, effective_n_jobs  # 0.1 s

        wanted = self.room if self.n_jobs is None else effective_n_jobs(self.n_jobs)
        capacity = 0 if self.config.device.name == "cpu" else gpus.capacity(self.config.runtime.gpu_jobs)
        return shared(wanted, jobs, cpu_count(), capacity)


def cores_said(config: DictConfig, cores: int) -> list[str]:
    """``runtime.cores``, to stand before a job's own overrides; nothing where the user has decided."""
    decided = config.runtime.cores is not None or os.environ.get("OMP_NUM_THREADS")
    return [] if decided else [f"runtime.cores={cores}"]


def shared(wanted: int, jobs: int, cores: int, capacity: int) -> tuple[int, int]:
    """How many of ``jobs`` run at once, ``wanted`` at most, and the cores of each.

    ``capacity`` is what the GPUs take, 0 for no GPUs.
    """
    at_once = max(1, min(wanted, jobs, capacity or wanted))
    return at_once, max(1, cores // at_once)
