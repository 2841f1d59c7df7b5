"""Evaluation of trials: from per-layer levels to the values for Optuna, with early ends of hopeless retrainings."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import optuna
from optuna.trial import TrialState

from pruneexp.experiment.session import Abandoned, PointFailed
from pruneexp.schema import Metric, TradeoffPoint, doubts
from pruneexp.stages.retrain import RETRAIN
from pruneexp.summary.pareto import dominated
from pruneexp.training.events import TrainingEvent
from sweeps.costs import TrialCost
from sweeps.driver import TrialFailed, TrialPruned, Worker
from sweeps.objectives import Limits, judged
from sweeps.trials import Bench

#: The least value of a network that is not allowed, for samplers that know no constraints: behind all that are allowed.
_BEHIND = {"smallest": 1.0, "best": 1e6}


class SearchOptions(Limits, Protocol):
    """The options of a search that decide the values of a trial."""

    @property
    def epochs(self) -> int: ...
    @property
    def sampler(self) -> str: ...
    @property
    def margin(self) -> float: ...


@dataclass(frozen=True)
class TrialEvaluator:
    """Evaluates the trials of a search; ``dense`` is the dense network's value of the metric on val."""

    bench: Bench
    options: SearchOptions
    metric: Metric
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
            watch = self._watch(trial, point)
            point = _computed(lambda: self.bench.retrain(trial.number, trial.params, self.options.epochs, watch))
        val, cost = score(point, self.bench.cost, trial.params)
        trial.set_user_attr("val", val)
        trial.set_user_attr(self.bench.cost.name, cost)
        self._show()
        if self.options.objective == "pareto":
            return (val, cost)
        value, excess = judged(self.options, self.metric.loss(self.dense, val), cost)
        if self.options.sampler == "cmaes":  # it knows no constraints
            return (value if excess <= 0 else max(_BEHIND[self.options.objective], value) + excess / 100,)
        trial.set_constraint("cost" if self.options.objective == "best" else "drop", excess)
        return (value,)

    def _watch(self, trial: optuna.Trial, probe: TradeoffPoint) -> EarlyStopping | None:
        """What ends a hopeless retraining; not where a network costs too much, or the others would seem worse by it."""
        limit = self.options.max_cost
        if self.options.objective == "pareto":
            return None
        if limit is not None and score(probe, self.bench.cost, trial.params)[1] > limit:
            return None
        return EarlyStopping(trial, self.metric, self.dense)

    def _refuse_dominated(self, trial: optuna.Trial, point: TradeoffPoint) -> None:
        """Raise ``TrialPruned`` if others dominate the probe: Optuna's pruners take only one objective."""
        trial.set_user_attr("probe", list(score(point, self.bench.cost, trial.params)))
        if self.options.objective != "pareto":
            return
        if _is_beaten(trial, "probe", self.metric, self.dense, self.options):
            raise TrialPruned("others are better before retraining")

    def _show(self) -> None:
        done = self.worker.study().get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        name = self.bench.cost.name
        scores = [(t.user_attrs["val"], t.user_attrs[name]) for t in done if "val" in t.user_attrs]
        tried = [judged(self.options, self.metric.loss(self.dense, val), cost) for val, cost in scores]
        allowed = [value for value, excess in tried if excess <= 0]
        of, unit = "" if name == "density" else f" of {name}", self.metric.change_unit
        limit, detail = self.options.max_cost, ""
        if allowed and limit is None:
            detail = f"smallest within {self.options.max_drop:g} {unit}: {min(allowed):.1%}{of}"
        elif allowed:
            detail = f"best within {limit:.1%}{of}: loses {min(allowed):.2f} {unit}"
        self.bench.session.display.points_done(len(done) + 1, detail)


@dataclass(frozen=True)
class EarlyStopping:
    """Reports the loss of the metric after every epoch of retraining, and ends it if Optuna's pruner asks."""

    trial: optuna.Trial
    metric: Metric
    dense: float

    def __call__(self, event: TrainingEvent) -> None:
        if event.kind != "epoch" or event.stage != RETRAIN.name:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a resumed trial reports epochs that Optuna already has
            self.trial.report(self.metric.loss(self.dense, event.val), event.epoch)
        if self.trial.should_prune():
            raise Abandoned(f"hopeless after epoch {event.epoch}")


@dataclass(frozen=True)
class FinalistEvaluator:
    """Retrains finalists for rising numbers of epochs (``rungs``); ``numbers`` are those of their trials.

    ``dense`` is the dense network's value of the metric on val.
    """

    bench: Bench
    metric: Metric
    dense: float
    numbers: Sequence[int]
    rungs: Sequence[int]
    options: SearchOptions
    worker: Worker

    def evaluate(self, trial: optuna.Trial) -> Sequence[float]:
        """The values after the last rung.

        Raises:
            TrialPruned: after an earlier rung, another finalist was better by the margin and cost no more, or is
                allowed to cost what it does.
            TrialFailed: the point could not be computed.
        """
        trial.set_user_attr("trial", self.numbers[trial.number])
        for epochs in self.rungs[:-1]:
            self._retrained(trial, epochs)
            if _is_beaten(trial, _after(epochs), self.metric, self.dense, self.options):
                raise TrialPruned(f"others are better after {epochs} epochs of retraining")
        point = self._retrained(trial, self.rungs[-1])
        before, test = point.result.val.before, point.result.test
        trial.set_user_attr("before", None if before is None else before[self.metric.name])
        trial.set_user_attr("test", None if test is None else test.after[self.metric.name])
        trial.set_user_attr("doubts", list(doubts(point)))
        if self.bench.cost.name != "density":
            trial.set_user_attr("density", point.result.density)
        self.bench.session.display.point_done()
        return score(point, self.bench.cost, trial.params)

    def _retrained(self, trial: optuna.Trial, epochs: int) -> TradeoffPoint:
        number = self.numbers[trial.number]
        point = _computed(lambda: self.bench.retrain(number, trial.params, epochs))
        trial.set_user_attr(_after(epochs), list(score(point, self.bench.cost, trial.params)))
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


def _is_beaten(trial: optuna.Trial, name: str, metric: Metric, dense: float, options: SearchOptions) -> bool:
    """Whether another trial is better by the margin and costs no more, by the scores that stand under a name.

    Within a ``max_cost``, to which both keep, what they cost does not count.
    """
    trials = [one for one in trial.study.get_trials(deepcopy=False) if name in one.user_attrs]
    scores = {one.number: one.user_attrs[name] for one in trials}
    merits = {
        number: (metric.merit(dense, val), cost if options.max_cost is None else 0.0)
        for number, (val, cost) in scores.items()
    }
    own = merits.pop(trial.number)
    return dominated(own, list(merits.values()), options.margin)


def score(point: TradeoffPoint, cost: TrialCost, levels: Mapping[str, float]) -> tuple[float, float]:
    """The value of the primary metric on val, and the share of a cost: what a trial with these levels is judged by."""
    return point.result.val.after[point.identity.primary.name], cost.share(point.result, levels)
