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

from hydra_plugins.pruneexp_launchers._share import Share, threaded
from pruneexp.errors import UserError
from pruneexp.experiment import slots


class OneMachineLauncher(Launcher):
    """Jobs in processes that joblib keeps; ``options`` are those of ``joblib.Parallel``."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.config: DictConfig | None = None
        self.setting: dict[str, Any] = {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        if self.options["n_jobs"] == 0:
            raise UserError("hydra.launcher.n_jobs=0: give the number of jobs at a time; -1 is one for each core")
        self.config = config
        self.setting = {"hydra_context": hydra_context, "task_function": task_function, "config": config}

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        assert self.config is not None
        from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher  # 0.1 s, with joblib
        from joblib import cpu_count, effective_n_jobs

        runtime = self.config.runtime
        capacity = 0 if self.config.device.name == "cpu" else slots.capacity(runtime.gpu_jobs)
        share = Share.of(effective_n_jobs(self.options["n_jobs"]), len(job_overrides), cpu_count(), capacity)
        jobs, given = threaded(job_overrides, runtime.threads, share.threads)
        if given is not None:
            print(f"pruneexp: {share} (runtime.threads sets another number of threads)", file=sys.stderr)
        launcher = JoblibLauncher(**{**self.options, "n_jobs": share.jobs})
        launcher.setup(**self.setting)
        return list(launcher.launch(jobs, initial_job_idx))
