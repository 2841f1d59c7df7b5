"""``hydra/launcher=joblib``: jobs side by side on one machine, none of which takes what is another's.

The published plugin runs them; this one decides how many at a time, and how many threads each may use. Every command
imports it while Hydra looks for plug-ins, hence nothing heavy up here.
"""

import sys
from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.pruneexp_launchers._work import threads_said
from pruneexp.errors import UserError
from pruneexp.experiment import gpus


class OneMachineLauncher(Launcher):
    """Jobs in processes that joblib keeps; ``options`` are those of ``joblib.Parallel``."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        if self.options["n_jobs"] == 0:
            raise UserError("hydra.launcher.n_jobs=0: give the number of jobs at a time; -1 is one for each core")
        self.config = config
        self.setting: dict[str, Any] = {
            "hydra_context": hydra_context, "task_function": task_function, "config": config
        }  # fmt: skip

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher  # 0.1 s, with joblib
        from joblib import cpu_count, effective_n_jobs

        capacity = 0 if self.config.device.name == "cpu" else gpus.capacity(self.config.runtime.gpu_jobs)
        at_once, threads = shared(effective_n_jobs(self.options["n_jobs"]), len(job_overrides), cpu_count(), capacity)
        said = threads_said(self.config, threads)
        if said:
            jobs = "one job" if at_once == 1 else f"{at_once} jobs"
            each = f"{threads} thread{'' if threads == 1 else 's'} each"
            print(f"pruneexp: {jobs} at a time, {each} (runtime.threads sets another number)", file=sys.stderr)
        launcher = JoblibLauncher(**{**self.options, "n_jobs": at_once})
        launcher.setup(**self.setting)
        return list(launcher.launch([[*said, *job] for job in job_overrides], initial_job_idx))


def shared(wanted: int, jobs: int, cores: int, capacity: int) -> tuple[int, int]:
    """How many of ``jobs`` run at once, ``wanted`` at most, and the threads of each.

    ``capacity`` is what the GPUs take, 0 for no GPUs.
    """
    at_once = max(1, min(wanted, jobs, capacity or wanted))
    return at_once, max(1, cores // at_once)
