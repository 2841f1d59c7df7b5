"""The plug-in that Hydra finds: its configuration, and the order of things; the work is done next door.

Every command imports it while Hydra looks for plug-ins, hence nothing heavy up here. No ``annotations`` from
``__future__`` either: Hydra executes the module before it is in ``sys.modules``, where dataclasses would look them up.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
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
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None
        self.params, self.file, self.retry = params, file, retry

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Plan all jobs, and run those that are missing.

        Raises:
            UserError: a bad request, before anything runs.
            JobFailed: some jobs failed; the others are done.
        """
        assert self.hydra_context is not None
        assert self.config is not None
        assert self.launcher is not None
        from hydra_plugins.pruneexp_jobs_sweeper._request import request

        asked = request(self.config, self.hydra_context.config_loader, arguments, self.params or {}, self.file)
        from hydra_plugins.pruneexp_jobs_sweeper._run import run  # loads torch, after all jobs have been checked

        run(asked, self.config, self.launcher, sys.argv[1:], retry=self.retry)
