"""The Optuna side of a sweep: the study, its trials, its best. Launches nothing; imported late, for it loads Optuna."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

import optuna
from hydra.core.utils import JobReturn
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from hydra_plugins.pruneexp_optuna_sweeper._request import Request
from hydra_plugins.pruneexp_optuna_sweeper._space import Choices, Dimension, Value
from pruneexp.errors import UserError
from sweeps import signature
from sweeps.driver import suggest
from sweeps.sampling import sampler
from sweeps.storing import open_storage

SOUGHT = "pruneexp.sought"  # of a study: Request.sought()


@dataclass(frozen=True)
class Search:
    request: Request
    study: optuna.Study

    @property
    def missing(self) -> int:
        """Trials still to be started; failed ones and those that run elsewhere count."""
        begun = [trial for trial in self.study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]
        return max(0, self.request.trials - len(begun))

    def ask(self) -> Trial:
        trial = self.study.ask()
        trial.set_user_attr(signature.WORKER, signature.mine())  # before anything is drawn, which may take a while
        for key, each in self.request.dimensions.items():
            suggest(trial, key, _distribution(each))
        return trial

    def tell(self, trial: Trial, job: JobReturn) -> Exception | None:
        """Record what a job returned, unless another process has; the reason where it failed."""
        try:
            values = _wanted(job.return_value, self.request.objectives)  # raises what the job has raised
        except Exception as error:  # noqa: BLE001  one failed job must not end the sweep
            self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            return error
        self.study.tell(trial, values, skip_if_finished=True)
        return None

    def settings(self, trial: Trial | FrozenTrial) -> dict[str, Value]:
        return {key: each.exact(trial.params[key]) for key, each in self.request.dimensions.items()}

    def overrides(self, trial: Trial) -> list[str]:
        """The command line of a trial's job; a float is written with all its digits."""
        drawn = [f"{key}={each.text(trial.params[key])}" for key, each in self.request.dimensions.items()]
        return [*self.request.fixed, *drawn]

    def best(self) -> list[FrozenTrial]:
        """The best trial, or the Pareto front with the best of the first objective first; empty if all failed."""
        if not self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            return []
        if len(self.request.objectives) == 1:
            return [self.study.best_trial]
        sign = -1 if next(iter(self.request.objectives.values())) == "maximize" else 1
        return sorted(self.study.best_trials, key=lambda trial: sign * trial.values[0])

    def counts(self) -> tuple[int, int]:
        """Trials completed, trials failed."""
        states = [trial.state for trial in self.study.get_trials(deepcopy=False)]
        return states.count(TrialState.COMPLETE), states.count(TrialState.FAIL)


def open_search(request: Request) -> Search:
    """The study of a request, new or as it was left; trials whose process has ended unfinished are run again.

    Raises:
        UserError: a study of this name holds another sweep.
    """
    chosen = sampler(request.sampler, request.seed, len(request.objectives), len(request.dimensions))
    storage = open_storage(request.storage, request.journal())
    directions = [StudyDirection[direction.upper()] for direction in request.objectives.values()]
    study = optuna.create_study(
        storage=storage, study_name=request.name(), directions=directions, sampler=chosen, load_if_exists=True
    )
    _claim(study, directions, request)
    _take_back(study, storage)
    return Search(request, study)


def _claim(study: optuna.Study, directions: list[StudyDirection], request: Request) -> None:
    known, sought = study.user_attrs.get(SOUGHT, {}), request.sought()
    if not known and not study.get_trials(deepcopy=False) and study.directions == directions:
        study.set_user_attr(SOUGHT, sought)
    elif known != sought:
        other = [part for part, text in sought.items() if known.get(part) != text]
        raise UserError(f"study {request.name()} has other {' and '.join(other)}: give hydra.sweeper.study a new name")


def _take_back(study: optuna.Study, storage: BaseStorage) -> None:
    """What waits is asked for again, with the number and the values it had: a killed sweep resumes as if it had not."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        worker = trial.user_attrs.get(signature.WORKER)
        if signature.is_here(worker) and (worker == signature.mine() or not signature.is_alive(worker)):
            study_id = storage.get_study_id_from_name(study.study_name)
            trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
            storage.set_trial_state_values(trial_id, TrialState.WAITING)


def _distribution(dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choices):
        return CategoricalDistribution(dimension.values)
    if dimension.whole:
        low, high, step = int(dimension.low), int(dimension.high), int(dimension.step or 1)
        return IntDistribution(low, high, log=dimension.log, step=step)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)


def _wanted(numbers: object, objectives: Mapping[str, str]) -> list[float]:
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
