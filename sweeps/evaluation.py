"""Evaluation of trials: from per-layer levels to the values for Optuna, with early ends of hopeless retrainings."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import optuna
from optuna.trial import TrialState

from pruneexp.experiment.session import Abandoned, PointFailed
from pruneexp.schema import TradeoffPoint, doubts
from pruneexp.stages.retrain import RETRAIN
from pruneexp.summary.pareto import dominated
from pruneexp.training.events import TrainingEvent
from sweeps.driver import TrialFailed, TrialPruned, Worker
from sweeps.trials import Bench


class SearchOptions(Protocol):
    """The options of a search that decide the values of a trial."""

    @property
    def objective(self) -> str: ...
    @property
    def max_drop(self) -> float: ...
    @property
    def epochs(self) -> int: ...
    @property
    def sampler(self) -> str: ...
    @property
    def margin(self) -> float: ...


@dataclass(frozen=True)
class TrialEvaluator:
    """Evaluates the trials of a search; ``dense`` is the dense network's accuracy on val, in percent."""

    bench: Bench
    options: SearchOptions
    dense: float
    worker: Worker

    def evaluate(self, trial: optuna.Trial) -> Sequence[float]:
        """Prune and score; retrain if the search does, unless other trials are already better.

        Raises:
            TrialPruned: other trials are better, or Optuna's pruner ended the retraining.
            TrialFailed: the point could not be computed.
        """
        point = _computed(lambda: self.bench.probe(trial.number, trial.params))
        if self.options.epochs:
            self._refuse_dominated(trial, point)
            watch = EarlyStopping(trial, self.dense) if self.options.objective == "smallest" else None
            point = _computed(lambda: self.bench.retrain(trial.number, trial.params, self.options.epochs, watch))
        val, density = _score(point)
        trial.set_user_attr("val", val)
        trial.set_user_attr("density", density)
        self._show()
        if self.options.objective == "pareto":
            return (val, density)
        excess = self.dense - val - self.options.max_drop
        if self.options.sampler == "cmaes":  # it knows no constraints: a value above 1 is worse than any density
            return (density if excess <= 0 else 1 + excess / 100,)
        trial.set_constraint("drop", excess)
        return (density,)

    def _refuse_dominated(self, trial: optuna.Trial, point: TradeoffPoint) -> None:
        """Raise ``TrialPruned`` if others dominate the probe: Optuna's pruners take only one objective."""
        score = _score(point)
        trial.set_user_attr("probe", list(score))
        if self.options.objective != "pareto":
            return
        if dominated(score, _scores_of_others(trial, "probe"), self.options.margin):
            raise TrialPruned("others are better before retraining")

    def _show(self) -> None:
        done = self.worker.study().get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        scores = [(t.user_attrs["val"], t.user_attrs["density"]) for t in done if "val" in t.user_attrs]
        allowed = [density for val, density in scores if self.dense - val <= self.options.max_drop]
        detail = f"smallest within {self.options.max_drop:g} points: {min(allowed):.1%}" if allowed else ""
        self.bench.session.display.points_done(len(done) + 1, detail)


@dataclass(frozen=True)
class EarlyStopping:
    """Reports the drop of accuracy after every epoch of retraining, and ends the retraining if Optuna's pruner asks."""

    trial: optuna.Trial
    dense: float

    def __call__(self, event: TrainingEvent) -> None:
        if event.kind != "epoch" or event.stage != RETRAIN.name:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a resumed trial reports epochs that Optuna already has
            self.trial.report(self.dense - event.val(), event.epoch)
        if self.trial.should_prune():
            raise Abandoned(f"hopeless after epoch {event.epoch}")


@dataclass(frozen=True)
class FinalistEvaluator:
    """Retrains finalists for rising numbers of epochs (``rungs``); ``numbers`` are those of their trials."""

    bench: Bench
    numbers: Sequence[int]
    rungs: Sequence[int]
    margin: float
    worker: Worker

    def evaluate(self, trial: optuna.Trial) -> Sequence[float]:
        """The values after the last rung.

        Raises:
            TrialPruned: after an earlier rung, another finalist was better by the margin and no denser.
            TrialFailed: the point could not be computed.
        """
        trial.set_user_attr("trial", self.numbers[trial.number])
        for epochs in self.rungs[:-1]:
            score = _score(self._retrained(trial, epochs))
            if dominated(score, _scores_of_others(trial, _after(epochs)), self.margin):
                raise TrialPruned(f"others are better after {epochs} epochs of retraining")
        point = self._retrained(trial, self.rungs[-1])
        before, test = point.result.val.before, point.result.test
        trial.set_user_attr("before", None if before is None else before.top1)
        trial.set_user_attr("test", None if test is None else test.after.top1)
        trial.set_user_attr("doubts", list(doubts(point)))
        self.bench.session.display.point_done()
        return _score(point)

    def _retrained(self, trial: optuna.Trial, epochs: int) -> TradeoffPoint:
        number = self.numbers[trial.number]
        point = _computed(lambda: self.bench.retrain(number, trial.params, epochs))
        trial.set_user_attr(_after(epochs), list(_score(point)))
        return point


def _after(epochs: int) -> str:
    return f"after {epochs}"


def _computed(compute: Callable[[], TradeoffPoint]) -> TradeoffPoint:
    try:
        return compute()
    except PointFailed as failure:
        raise TrialFailed(str(failure)) from failure
    except Abandoned as given_up:
        raise TrialPruned(str(given_up)) from given_up


def _scores_of_others(trial: optuna.Trial, name: str) -> list[tuple[float, float]]:
    others = [other for other in trial.study.get_trials(deepcopy=False) if other.number != trial.number]
    return [tuple(other.user_attrs[name]) for other in others if name in other.user_attrs]


def _score(point: TradeoffPoint) -> tuple[float, float]:
    return point.result.val.after.top1, point.result.density
