"""The plug-in that Hydra finds: its configuration, and the order of things; the work is done next door.

Every command imports it while Hydra looks for plug-ins, hence nothing heavy up here. No ``annotations`` from
``__future__`` either: Hydra executes the module before it is in ``sys.modules``, where dataclasses would look them up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class JobsSweeperConf:
    """``hydra/sweeper=jobs``.

    ``params`` are sweeps that the command line may overrule. ``file`` is a sweep's file: its jobs instead of the
    product of what the command line sweeps. ``retry`` also runs what failed.
    """

    _target_: str = "hydra_plugins.pruneexp_jobs_sweeper.jobs_sweeper.JobsSweeper"
    params: Any = None
    file: str | None = None
    retry: bool = False


ConfigStore.instance().store(group="hydra/sweeper", name="jobs", node=JobsSweeperConf, provider="pruneexp")


class JobsSweeper(Sweeper):
    """Hands the launcher the jobs of a sweep that are not done."""

    def __init__(self, params: Mapping[str, object] | None, file: str | None, retry: bool) -> None:
        self.params, self.file, self.retry = params or {}, file, retry

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.composed, self.loader = config, hydra_context.config_loader
        self.runner = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Plan all jobs, and run those that are missing.

        Raises:
            UserError: a bad request, before anything runs.
            JobFailed: some jobs failed; the others are done.
        """
        from hydra_plugins.pruneexp_jobs_sweeper._jobs import listed

        jobs = listed(self.composed, self.loader, arguments, self.params, self.file)
        from hydra_plugins.pruneexp_jobs_sweeper._run import run  # loads torch, after all jobs have been checked

        run(jobs, self.composed, self.runner, retry=self.retry)
