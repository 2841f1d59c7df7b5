"""The plug-in that Hydra finds: its configuration, and the loop of asking, launching and telling.

Every command imports it while Hydra looks for plug-ins, hence nothing heavy up here. No ``annotations`` from
``__future__`` either: Hydra executes the module before it is in ``sys.modules``, where dataclasses would look them up.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.pruneexp_optuna_sweeper._request import Request, directions
from hydra_plugins.pruneexp_optuna_sweeper._space import read
from pruneexp.errors import JobFailed, ReportedError, redact

if TYPE_CHECKING:
    from hydra_plugins.pruneexp_optuna_sweeper._study import Search


@dataclass
class OptunaSweeperConf:
    """``hydra/sweeper=optuna``.

    ``objectives`` maps numbers of the job to maximize or minimize; null is {val.after.top1: maximize}. ``trials`` is
    the total: a larger one continues the study. ``n_jobs`` trials are given to the launcher at a time, and all of them
    are waited for. ``storage`` is null for a journal file in .pruneexp/studies, or a database URL of SQLAlchemy's.
    ``params`` are sweeps that the command line may overrule. What is a mapping starts as null, untyped: to a typed one
    Hydra would only append.
    """

    _target_: str = "hydra_plugins.pruneexp_optuna_sweeper.optuna_sweeper.OptunaSweeper"
    objectives: Any = None
    trials: int = 20
    n_jobs: int = 1
    sampler: str = "tpe"
    seed: int = 0
    storage: str | None = None
    study: str | None = None
    params: Any = None


ConfigStore.instance().store(group="hydra/sweeper", name="optuna", node=OptunaSweeperConf, provider="pruneexp")


class OptunaSweeper(Sweeper):
    """One job per trial, which returns a flat mapping of numbers, the objectives among them."""

    def __init__(
        self,
        objectives: Mapping[str, str] | None,
        trials: int,
        n_jobs: int,
        sampler: str,
        seed: int,
        storage: str | None,
        study: str | None,
        params: Mapping[str, object] | None,
    ) -> None:
        self.hydra_context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None
        self.objectives, self.params = objectives, params
        self.request = partial(
            Request, trials=trials, n_jobs=n_jobs, sampler=sampler, seed=seed, storage=storage, study=study
        )

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the trials that the study lacks; show and write down the best of it.

        Raises:
            UserError: a bad request, before anything runs.
            Exception: afterwards, the worst of what jobs have raised.
        """
        assert self.hydra_context is not None
        assert self.config is not None
        params = [f"{key}={'null' if value is None else value}" for key, value in (self.params or {}).items()]
        dimensions, fixed = read([*params, *arguments], self.hydra_context.config_loader)
        request = self.request(dimensions=dimensions, fixed=fixed, objectives=directions(self.objectives))
        from hydra_plugins.pruneexp_optuna_sweeper._report import publish  # loads Optuna, as the next does: 0.3 s
        from hydra_plugins.pruneexp_optuna_sweeper._study import open_search

        search = open_search(request)
        failures: list[Exception] = []
        while missing := search.missing:
            failures += self._launch(search, min(request.n_jobs, missing))
        publish(search, Path(self.config.hydra.sweep.dir))
        if OmegaConf.select(self.config, "runtime.dashboard"):  # the sweeper serves other programs too
            from pruneexp.experiment.display import Display
            from pruneexp.experiment.pages import show_sweep

            show_sweep(self.config.runtime, Display(bars=False))
        if failures:
            raise max(failures, key=_severity)

    def _launch(self, search: "Search", number: int) -> list[Exception]:
        assert self.launcher is not None
        trials = [search.ask() for _ in range(number)]
        jobs = [search.overrides(trial) for trial in trials]
        done = self.launcher.launch(jobs, initial_job_idx=trials[0].number)  # composes; 0.1 s more to do so twice
        told = [(trial.number, search.tell(trial, job)) for trial, job in zip(trials, done, strict=True)]
        return [_said(number, error) for number, error in told if error is not None]


def _said(number: int, error: Exception) -> Exception:
    """Told at once: Hydra reports one failure, after the last job."""
    if not getattr(error, "said", False):
        print(f"trial {number} failed: {redact(str(error)) or type(error).__name__}", file=sys.stderr, flush=True)
    if isinstance(error, ReportedError):
        error.said = True
    return error


def _severity(error: Exception) -> int:
    """What nobody expected is worse than what the user can mend, and that is worse than some failed points."""
    return 0 if isinstance(error, JobFailed) else 1 if isinstance(error, ReportedError) else 2
