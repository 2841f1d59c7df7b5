"""Samplers by name, made anew for every trial, so that a resumed study goes on as if it had never stopped.

A reloaded Optuna sampler does not continue its sequence of random numbers. Here every trial has a sampler of its own,
seeded by (seed of the study, number of the trial); what it knows of earlier trials it reads in the storage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from pruneexp.errors import UserError

#: Trials drawn at random before a model of them is made.
STARTUP = 10

_MAKERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed, n_startup_trials=STARTUP),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
}
NAMES = tuple(_MAKERS)


def sampler(
    name: str,
    seed: int,
    objectives: int,
    dimensions: int,
    starts: Sequence[Mapping[str, Any]] = (),
) -> BaseSampler:
    """A sampler for a study with so many objectives and dimensions.

    The first trials take the values of ``starts``, by their number.

    Raises:
        UserError: there is no sampler of that name, or it does not apply.
    """
    if name not in _MAKERS:
        raise UserError(f"sampler={name}: no such sampler; there are {', '.join(NAMES)}")
    if name == "cmaes" and objectives > 1:
        raise UserError("sampler=cmaes: CMA-ES takes a single objective; choose tpe, nsga2 or random for several")
    if name == "cmaes" and dimensions < 2:
        raise UserError("sampler=cmaes: CMA-ES needs two dimensions or more; choose tpe or random")
    return Numbered(_MAKERS[name], seed, starts)


class Numbered(BaseSampler):
    """Hands each trial to a fresh sampler whose seed follows from the trial's number."""

    def __init__(self, make: Callable[[int], BaseSampler], seed: int, starts: Sequence[Mapping[str, Any]] = ()) -> None:
        self._make, self._seed, self._starts = make, seed, starts
        self._samplers: dict[int, BaseSampler] = {}

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._samplers.pop(trial.number, None)  # a trial that was put back begins anew
        self._of(trial).before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {} if self._given(trial) else self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {} if self._given(trial) else self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        given = self._given(trial)
        if given is not None and param_name in given:
            return given[param_name]
        # A sampler for each parameter: a trial killed between two of them draws the second as if it drew both.
        alone = self._make(trial_seed(self._seed, trial.number, param_name))
        return alone.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._of(trial).after_trial(study, trial, state, values)
        del self._samplers[trial.number]

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        """The sampler of a trial; Optuna draws late, when another trial may have begun."""
        return self._samplers.setdefault(trial.number, self._make(trial_seed(self._seed, trial.number)))

    def reseed_rng(self) -> None:
        """Nothing to do: seeds follow from numbers, and no two processes share a number."""

    def _given(self, trial: FrozenTrial) -> Mapping[str, Any] | None:
        return self._starts[trial.number] if trial.number < len(self._starts) else None


def suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> None:
    """Have the sampler draw a parameter from a distribution."""
    if isinstance(distribution, optuna.distributions.FloatDistribution):
        trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    elif isinstance(distribution, optuna.distributions.IntDistribution):
        trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    else:
        assert isinstance(distribution, optuna.distributions.CategoricalDistribution)
        trial.suggest_categorical(name, distribution.choices)


def trial_seed(seed: int, number: int, parameter: str = "") -> int:
    """A seed of 32 bits for one trial of a study, or for one parameter of it alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}/{parameter}".encode()).digest()[:4], "big")
