"""The plug-in that Hydra finds: its configuration, and the order of things; the work is done next door.

Every command imports it while Hydra looks for plug-ins, hence nothing heavy up here. No ``annotations`` from
``__future__`` either: Hydra executes the module before it is in ``sys.modules``, where dataclasses would look them up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from pruneexp.errors import JobFailed, UserError, first_line, redact
from pruneexp.schema import Metric


@dataclass
class OptunaSweeperConf:
    """``hydra/sweeper=optuna``.

    ``objectives`` maps numbers of the job to maximize or minimize; null is the primary metric of the jobs on val, after
    retraining: {val.after.top1: maximize} for classification. ``trials`` is the total: a larger one continues the
    study. ``n_jobs`` trials are given to the launcher at a time, and all of them are waited for. ``storage`` is null
    for a journal file in .pruneexp/studies, or a database URL of SQLAlchemy's. ``params`` are sweeps that the command
    line may overrule. What is a mapping starts as null, untyped: to a typed one Hydra would only append.
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
    """One job per trial, which returns a flat mapping of numbers, the objectives among them.

    ``options`` are those of ``OptunaSweeperConf``.
    """

    def __init__(self, objectives: object, params: Mapping[str, object] | None, **options: Any) -> None:
        self.objectives, self.options = objectives, options
        self.params = [f"{key}={'null' if value is None else value}" for key, value in (params or {}).items()]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.composed, self.loader = config, hydra_context.config_loader
        self.runner = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the trials that the study lacks; show and write down the best of it.

        Raises:
            UserError: a bad request, before anything runs.
            JobFailed: afterwards, where some trials failed.
            Exception: what the first job has raised, where all of them failed.
        """
        from hydra_plugins.pruneexp_optuna_sweeper._space import read  # loads Optuna, as the next does: 0.3 s
        from hydra_plugins.pruneexp_optuna_sweeper._trials import SearchedJobs, primary_of, publish

        dimensions, fixed = read([*self.params, *arguments], self.loader)
        objectives = directions(self.objectives, lambda: primary_of(self.composed))
        asked = SearchedJobs(dimensions=dimensions, fixed=fixed, objectives=objectives, **self.options)
        worker = asked.worker()
        worker.work_together(asked.trials, asked.n_jobs, partial(asked.run, self.runner))
        publish(asked, worker, self.composed)
        if asked.failures and not asked.best(worker):
            raise next(iter(asked.failures.values()))
        if asked.failures:
            reasons = (f"trial {number} ({redact(first_line(error))})" for number, error in asked.failures.items())
            raise JobFailed(f"{len(asked.failures)} trials failed: {'; '.join(reasons)}")


def directions(objectives: object, primary: Callable[[], Metric]) -> dict[str, Any]:
    """What is sought, by name; None is the primary metric on the validation split after retraining.

    Raises:
        UserError: it is no mapping, or to something else than maximize and minimize, or a number of the test split.
    """
    if objectives is None:
        metric = primary()
        return {f"val.after.{metric.name}": metric.direction}
    if not isinstance(objectives, Mapping) or not objectives:
        raise UserError(f"hydra.sweeper.objectives={objectives}: name numbers, as in {{val.after.top1:maximize}}")
    for name, direction in objectives.items():
        if direction not in ("maximize", "minimize"):
            raise UserError(f"hydra.sweeper.objectives: {name}={direction}: allowed are maximize and minimize")
        if str(name).startswith("test."):
            raise UserError(f"hydra.sweeper.objectives: {name}: no choice may see the test split; take val.{name[5:]}")
    return dict(sorted(objectives.items()))
