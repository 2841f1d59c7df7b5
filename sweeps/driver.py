"""Ask, evaluate, tell: one worker of a study that any number of workers, on any number of machines, may share.

A trial's number decides everything random about it, so what counts is that every number below the total is told once.
A worker takes the lowest number that nobody works on: one put back, one whose worker died, or the next new one. Knows
Optuna, and nothing of what is evaluated.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from pruneexp.errors import UserError
from sweeps import signature
from sweeps.sampling import suggest

Direction = Literal["minimize", "maximize"]

_DEFINITION = "pruneexp.definition"
_BEAT = "pruneexp.beat"
_POLL_SECONDS = 0.5
_PREPARE_SECONDS = 30.0
_DIRECTIONS = {"minimize": StudyDirection.MINIMIZE, "maximize": StudyDirection.MAXIMIZE}


class TrialFailed(Exception):
    """This trial has no values; the text says why, and the study goes on."""


class TrialPruned(Exception):
    """This trial was given up because others are better; the text says which way."""


#: The values of a trial, or why there are none.
TrialOutcome = Sequence[float] | TrialFailed | TrialPruned


@dataclass(frozen=True)
class Definition:
    """What makes a study itself: workers that do not agree on all of it do not share it.

    ``objectives`` names each value and its direction, in order; ``about`` is plain JSON. ``key`` is the one that gives
    another name.
    """

    name: str
    objectives: Mapping[str, Direction]
    about: Mapping[str, Any]
    key: str = "study.name"


@dataclass
class Worker:
    """One worker of a study; ``stale_seconds`` without a sign of life, and a worker elsewhere is taken for dead.

    ``stop_if_requested`` is called between trials and while others are waited for; what it raises ends the work.
    """

    storage: BaseStorage
    definition: Definition
    sampler: BaseSampler
    space: Mapping[str, BaseDistribution]
    pruner: optuna.pruners.BasePruner = field(default_factory=optuna.pruners.NopPruner)
    stale_seconds: float = 120.0
    stop_if_requested: Callable[[], None] = lambda: None
    _seen: dict[int, tuple[Any, float]] = field(default_factory=dict, init=False)

    def study(self) -> optuna.Study:
        """A fresh view of the study; Optuna's own caches what other workers have told."""
        return optuna.load_study(
            study_name=self.definition.name, storage=self.storage, sampler=self.sampler, pruner=self.pruner
        )

    def prepare(self) -> None:
        """Make the study, or join it where it is the same.

        Raises:
            UserError: a study of this name is of something else.
        """
        directions = list(self.definition.objectives.values())
        with contextlib.suppress(DuplicatedStudyError):
            made = optuna.create_study(
                study_name=self.definition.name, storage=self.storage, directions=directions, sampler=self.sampler
            )
            self._describe(made)
        study = self.study()
        found = _settled(study)
        if found is None:  # its maker died in between
            self._describe(study)
            return
        about = self.definition.about
        different = {key for key in {*found, *about} if found.get(key) != about.get(key)}
        if study.directions != [_DIRECTIONS[direction] for direction in directions]:
            different.add("objectives")
        if different:
            raise UserError(
                f"the study {self.definition.name} exists and is of another {', '.join(sorted(different))}: "
                f"give this one another {self.definition.key}, or ask with the same settings"
            )

    def _describe(self, study: optuna.Study) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(list(self.definition.objectives))
        study.set_user_attr(_DEFINITION, dict(self.definition.about))

    def work(
        self, total: int, evaluate: Callable[[optuna.Trial], Sequence[float]], seconds: float | None = None
    ) -> None:
        """Evaluate until every trial numbered below ``total`` is finished, by this worker or another.

        After ``seconds`` no further trial is begun. Exceptions other than ``TrialFailed`` and ``TrialPruned`` put the
        trial back and go through.
        """

        def alone(trials: Sequence[optuna.Trial]) -> list[TrialOutcome]:
            try:
                return [evaluate(trials[0])]
            except (TrialFailed, TrialPruned) as reason:
                return [reason]

        self.work_together(total, 1, alone, seconds)

    def work_together(
        self,
        total: int,
        at_once: int,
        evaluate: Callable[[Sequence[optuna.Trial]], Sequence[TrialOutcome]],
        seconds: float | None = None,
    ) -> None:
        """As ``work``, with up to ``at_once`` trials evaluated in one call, each of which has an outcome of its own."""
        until = math.inf if seconds is None else time.monotonic() + seconds
        while time.monotonic() < until and (first := self._claim(total, wait=True)) is not None:
            trials = [first]
            with self._putting_back(trials):
                while len(trials) < at_once and (another := self._claim(total, wait=False)) is not None:
                    trials.append(another)
            self._evaluate(trials, evaluate)

    def finished(self, total: int) -> list[FrozenTrial]:
        """The finished trials numbered below ``total``."""
        return [trial for trial in self.study().get_trials(deepcopy=False) if trial.number < total and _is_over(trial)]

    def _evaluate(
        self, trials: Sequence[optuna.Trial], evaluate: Callable[[Sequence[optuna.Trial]], Sequence[TrialOutcome]]
    ) -> None:
        outcomes: Sequence[TrialOutcome] | None = None
        # Suppressed where another worker took this one for dead, and has told one of the trials.
        with contextlib.suppress(UpdateFinishedTrialError), self._putting_back(trials), self._alive(trials):
            for trial in trials:
                for name, distribution in self.space.items():
                    suggest(trial, name, distribution)
            outcomes = evaluate(trials)
        if outcomes is None:
            return
        with contextlib.ExitStack() as every_trial:  # is told, though Optuna refuses the values of one
            for trial, outcome in zip(trials, outcomes, strict=True):
                every_trial.callback(self._tell, trial, outcome)

    @contextmanager
    def _putting_back(self, trials: Sequence[optuna.Trial]) -> Iterator[None]:
        """Leave these trials to the next worker where the block does not end well."""
        try:
            yield
        except BaseException:
            for trial in trials:
                self._put_back(self._id(trial.number))
            raise

    def _tell(self, trial: optuna.Trial, outcome: TrialOutcome) -> None:
        """A trial that another worker, which took this one for dead, has told meanwhile stays as it is."""
        with contextlib.suppress(UpdateFinishedTrialError):
            # Where that worker has given it up again it waits, and what waits cannot be told.
            self.storage.set_trial_state_values(self._id(trial.number), TrialState.RUNNING)
            if isinstance(outcome, TrialFailed):
                trial.set_user_attr("failure", str(outcome))
                trial.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            elif isinstance(outcome, TrialPruned):
                trial.set_user_attr("pruned", str(outcome))
                trial.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
            else:
                trial.study.tell(trial, list(outcome), TrialState.COMPLETE, skip_if_finished=True)

    def _claim(self, total: int, *, wait: bool) -> optuna.Trial | None:
        """The lowest trial that nobody works on, now this worker's; None once all are finished.

        Without ``wait`` also where others are at work on all that are left.
        """
        study_id = self.storage.get_study_id_from_name(self.definition.name)
        while True:
            self.stop_if_requested()
            trials = self.storage.get_all_trials(study_id, deepcopy=False)
            below = sorted((trial for trial in trials if trial.number < total), key=lambda trial: trial.number)
            for found in below:
                if self._is_free(found) and (mine := self._take(self._id(found.number))) is not None:
                    return mine
            if len(trials) < total:
                new = self.storage.create_new_trial(study_id)
                if self.storage.get_trial(new).number < total:
                    return self._mine(new)
                self._put_back(new)  # another worker was faster; it waits until more are asked for
            elif not wait or all(_is_over(trial) for trial in below):
                return None
            else:
                time.sleep(_POLL_SECONDS)  # others are at work, and may die

    def _is_free(self, trial: FrozenTrial) -> bool:
        if trial.state == TrialState.RUNNING and self._is_dead(trial):
            trial = self.storage.get_trial(self._id(trial.number))  # which another worker may have taken meanwhile
            if trial.state == TrialState.RUNNING and self._is_dead(trial):
                self._put_back(self._id(trial.number))
                return True
        return trial.state == TrialState.WAITING

    def _take(self, trial_id: int) -> optuna.Trial | None:
        """A waiting trial that this worker runs from now on; None where another was faster.

        A worker signs only what it runs: signed by one that lives and does not run it, a trial would never be taken.
        """
        with contextlib.suppress(UpdateFinishedTrialError):
            if self.storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                return self._mine(trial_id)
        return None

    def _put_back(self, trial_id: int) -> None:
        """Unsigned: the next worker runs it for a moment before signing, and must not pass for the one before."""
        with contextlib.suppress(UpdateFinishedTrialError):
            self.storage.set_trial_user_attr(trial_id, signature.WORKER, None)
            self.storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def _mine(self, trial_id: int) -> optuna.Trial:
        self.storage.set_trial_user_attr(trial_id, signature.WORKER, signature.mine())
        return optuna.Trial(self.study(), trial_id)

    def _id(self, number: int) -> int:
        study_id = self.storage.get_study_id_from_name(self.definition.name)
        return self.storage.get_trial_id_from_study_id_trial_number(study_id, number)

    @contextmanager
    def _alive(self, trials: Sequence[optuna.Trial]) -> Iterator[None]:
        """Give a sign of life of each trial now and then; Optuna's own heartbeat works on databases only."""
        done = threading.Event()

        def beat() -> None:
            count = 0
            while not done.wait(self.stale_seconds / 4):
                count += 1
                for trial in trials:
                    with contextlib.suppress(UpdateFinishedTrialError):
                        trial.set_user_attr(_BEAT, count)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _is_dead(self, trial: FrozenTrial) -> bool:
        """A worker in this place is looked up; one elsewhere, or unsigned, is dead when its sign stays the same."""
        worker = trial.user_attrs.get(signature.WORKER)
        if signature.is_here(worker):
            return not signature.is_alive(worker)
        sign = (worker, trial.user_attrs.get(_BEAT))
        last, since = self._seen.setdefault(trial.number, (sign, time.monotonic()))
        if last != sign:
            self._seen[trial.number] = (sign, time.monotonic())
            return False
        return time.monotonic() - since > self.stale_seconds


def _settled(study: optuna.Study) -> Mapping[str, Any] | None:
    """The definition of a study, waited for while its maker is still writing it."""
    until = time.monotonic() + _PREPARE_SECONDS
    found: Mapping[str, Any] | None
    while (found := study.user_attrs.get(_DEFINITION)) is None and time.monotonic() <= until:
        if study.get_trials(deepcopy=False):  # trials come after it: it may have been written since it was looked for
            return dict(study.user_attrs.get(_DEFINITION, {}))
        time.sleep(_POLL_SECONDS / 5)
    return found


def _is_over(trial: FrozenTrial) -> bool:
    return trial.state.is_finished()
