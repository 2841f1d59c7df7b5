"""What a sweep by Optuna asks for, and its trials: each a job of Hydra's launcher, driven by the worker of studies.

Imported late, for it loads Optuna.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path

import optuna
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import FrozenTrial

from hydra_plugins.pruneexp_launchers._work import value_of
from hydra_plugins.pruneexp_optuna_sweeper._space import text
from pruneexp.config.checks import ALLOWED_TARGETS, check_number
from pruneexp.config.choices import search_folders
from pruneexp.config.sweep import own_modules
from pruneexp.errors import UserError, first_line, redact
from pruneexp.places import journal
from pruneexp.schema import TOP1, Metric
from sweeps.driver import Definition, Direction, TrialFailed, TrialOutcome, Worker
from sweeps.sampling import sampler
from sweeps.storing import open_storage


@dataclass(frozen=True, kw_only=True)
class SearchedJobs:
    """A sweep: ``trials`` in all, of which ``n_jobs`` are launched at a time.

    ``failures`` holds what jobs have raised, by trial.

    Raises:
        UserError: there is nothing to sweep, or no trial to do it with.
    """

    dimensions: Mapping[str, BaseDistribution]
    fixed: Sequence[str]
    objectives: Mapping[str, Direction]
    trials: int
    n_jobs: int
    sampler: str
    seed: int
    storage: str | None
    study: str | None
    failures: dict[int, Exception] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.dimensions:
            raise UserError("there is nothing to sweep: give a key a range, such as 'train.lr=interval(0.01,0.1)'")
        for key, number in (("trials", self.trials), ("n_jobs", self.n_jobs)):
            check_number(f"hydra.sweeper.{key}", number, 1)

    def definition(self) -> Definition:
        """The study: named as asked, or so that a sweep that differs in anything that decides its values has another.

        Neither ``runtime`` nor a password can change a number.
        """
        ranges = {key: [distribution_to_json(each)] for key, each in self.dimensions.items()}
        fixed = sorted(redact(line) for line in self.fixed if not line.lstrip("+~").startswith("runtime."))
        about = {"ranges": ranges, "fixed overrides": fixed, "objectives": dict(self.objectives)}
        digest = hashlib.sha256(json.dumps([about, self.sampler, self.seed], sort_keys=True).encode()).hexdigest()
        return Definition(self.study or f"sweep-{digest[:12]}", self.objectives, about, "hydra.sweeper.study")

    def worker(self) -> Worker:
        """The worker of the study, which is made, or joined as it was left.

        Raises:
            UserError: a study of this name holds another sweep, or its storage cannot be used.
        """
        chosen = sampler(self.sampler, self.seed, len(self.objectives), len(self.dimensions))
        definition = self.definition()
        storage = open_storage(self.storage, journal(definition.name))
        made = Worker(storage, definition, chosen, self.dimensions)
        made.prepare()
        return made

    def run(self, launcher: Launcher, trials: Sequence[optuna.Trial]) -> list[TrialOutcome]:
        """Launch the jobs of some trials, and wait for all of them."""
        jobs = [[*self.fixed, *self._drawn(trial)] for trial in trials]
        done = launcher.launch(jobs, initial_job_idx=trials[0].number)
        return [self._outcome(trial, job) for trial, job in zip(trials, done, strict=True)]

    def best(self, worker: Worker) -> list[FrozenTrial]:
        """The best trial, or the Pareto front with the best of the first objective first; empty if all failed."""
        sign = -1 if next(iter(self.objectives.values())) == "maximize" else 1
        found = sorted(worker.study().best_trials, key=lambda trial: (sign * trial.values[0], trial.number))
        return found if len(self.objectives) > 1 else found[:1]

    def _drawn(self, trial: optuna.Trial) -> list[str]:
        return [f"{key}={text(trial.params[key])}" for key in self.dimensions]

    def _outcome(self, trial: optuna.Trial, job: JobReturn) -> TrialOutcome:
        try:
            return _wanted(value_of(job), self.objectives)  # raises what the job has raised
        except Exception as error:  # noqa: BLE001  one failed job must not end the sweep
            self.failures[trial.number] = error
            return TrialFailed(redact(first_line(error)))


def primary_of(config: DictConfig) -> Metric:
    """The metric that a job of this configuration is judged by: of the task of its data, the first.

    Raises:
        UserError: the task is not allowed, or cannot be made.
    """
    task = OmegaConf.select(config, "data.info.task")
    if task is None:
        return TOP1
    from pruneexp.experiment.instances import instantiated  # loads torch

    own = own_modules(search_folders(config.hydra))
    allowed = (*ALLOWED_TARGETS, *config.runtime.allow, *own)
    metric: Metric = instantiated("data.info.task", task, allowed).metrics[0]
    return metric


def _wanted(numbers: object, objectives: Mapping[str, Direction]) -> list[float]:
    """The objectives among the numbers of a job.

    Raises:
        UserError: one is missing or is not a number.
    """
    returned = numbers.items() if isinstance(numbers, Mapping) else ()
    given = {name: float(n) for name, n in returned if isinstance(n, Real) and not math.isnan(n)}
    for name in objectives:
        if name not in given:
            raise UserError(f"the job returned no number {name}; there are {', '.join(given) or 'none'}")
    return [given[name] for name in objectives]


def publish(asked: SearchedJobs, worker: Worker, config: DictConfig) -> None:
    """Print the best trial, or the Pareto front, and write it into the folder of the sweep."""
    from pruneexp.experiment.display import Display  # loads torch
    from pruneexp.experiment.pages import show_sweep

    display, folder = Display(bars=False), Path(config.hydra.sweep.dir)
    name, best = worker.definition.name, asked.best(worker)
    states = Counter(trial.state.name for trial in worker.study().get_trials(deepcopy=False))
    place = redact(asked.storage or str(journal(name)))  # no password in a file
    found = [
        {
            "trial": trial.number,
            "values": dict(zip(asked.objectives, trial.values, strict=True)),
            "params": {key: trial.params[key] for key in asked.dimensions},
        }
        for trial in best
    ]
    results = {"study": name, "storage": place, "completed": states["COMPLETE"], "failed": states["FAIL"],
               "objectives": dict(asked.objectives), "best": found}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create(results), folder / "optimization_results.yaml")
    display.say(f"study {name} in {place}: {states['COMPLETE']} trials completed, {states['FAIL']} failed")
    if best:
        rows = [[trial.number, *trial.values, *(trial.params[key] for key in asked.dimensions)] for trial in best]
        display.sheet(["trial", *asked.objectives, *asked.dimensions], [list(map(_cell, row)) for row in rows])
    if OmegaConf.select(config, "runtime.dashboard"):  # the sweeper serves other programs too
        show_sweep(config.runtime, display)


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
