"""``hydra/launcher=joblib``: jobs side by side on one machine, none of which takes what is another's.

The published plugin runs them; this one decides how many at a time, and how many cores each may keep busy.
"""

import os
import sys
from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher
from omegaconf import DictConfig

from pruneexp.errors import UserError
from pruneexp.experiment import gpus


class OneMachineLauncher(JoblibLauncher):  # type: ignore[misc]  # it comes without types
    """Jobs in processes that joblib keeps; the options are those of ``joblib.Parallel``."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.wanted = self.joblib["n_jobs"]
        if self.wanted == 0:
            raise UserError("hydra.launcher.n_jobs=0: give the number of jobs at a time; -1 is one for each core")

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from joblib import cpu_count, effective_n_jobs  # 0.1 s

        capacity = 0 if self.config.device.name == "cpu" else gpus.capacity(self.config.runtime.gpu_jobs)
        at_once, cores = shared(effective_n_jobs(self.wanted), len(job_overrides), cpu_count(), capacity)
        shares = f"{at_once} job{'s' * (at_once > 1)} at a time, {cores} core{'s' * (cores > 1)} each"
        print(f"pruneexp: {shares}", file=sys.stderr)
        if at_once > 1:  # threads of a job that wait for each other leave the cores to the other jobs
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self.joblib["n_jobs"] = at_once
        said = cores_said(self.config, cores)
        return list(super().launch([[*said, *job] for job in job_overrides], initial_job_idx))


def cores_said(config: DictConfig, cores: int) -> list[str]:
    """``runtime.cores``, to stand before a job's own overrides, and the threads that the user's environment decides.

    joblib sets ``OMP_NUM_THREADS`` in its processes by itself, so that no job can tell whose it is.
    """
    threads = os.environ.get("OMP_NUM_THREADS")
    given = [f"runtime.threads={threads}"] if threads and config.runtime.threads is None else []
    return given if config.runtime.cores is not None else [f"runtime.cores={cores}", *given]


def shared(wanted: int, jobs: int, cores: int, capacity: int) -> tuple[int, int]:
    """How many of ``jobs`` run at once, ``wanted`` at most, and the cores of each.

    ``capacity`` is what the GPUs take, 0 for no GPUs.
    """
    at_once = max(1, min(wanted, jobs, capacity or wanted))
    return at_once, max(1, cores // at_once)
