"""Optuna over the level of every layer: cheap trials that cut and score, then the best of them retrained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from pruneexp.cache.identity import short, stage_key
from pruneexp.config.checks import check_study_name
from pruneexp.errors import UserError, redact
from pruneexp.experiment.pages import show_record
from pruneexp.experiment.plan import make_plan
from pruneexp.experiment.session import Record, Session
from pruneexp.places import journal
from pruneexp.schema import BudgetKind, Metric
from pruneexp.stages.dense import train_dense
from sweeps import checks, report, sampling, space
from sweeps.baselines import BASELINES, OF_UNITS, OF_WEIGHTS, baselines, baselines_within, check_baselines
from sweeps.costs import COSTS, FORMS, TrialCost, trial_cost
from sweeps.driver import Definition, Worker
from sweeps.evaluation import FinalistEvaluator, TrialEvaluator
from sweeps.levels import kind_of, sizes_of
from sweeps.objectives import OBJECTIVES, Objective, check_limits, directions, limit_text, ranked
from sweeps.scans import LEVELS, curves_once, metric_of
from sweeps.storing import open_storage
from sweeps.trials import Bench, probed_share

_PRUNERS = {
    "none": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "halving": optuna.pruners.SuccessiveHalvingPruner,
}


@dataclass(frozen=True, kw_only=True)
class LayerThresholds:
    """See ``conf/study/layer_thresholds.yaml`` for every option; drops are losses of the primary metric on val.

    Raises:
        UserError: an option is out of its range.
    """

    name: str | None
    trials: int
    minutes: float | None
    objective: Objective
    cost: str
    form: str
    batch: int
    max_drop: float
    max_cost: float | None
    epochs: int
    sampler: str
    pruner: str
    seed: int
    baselines: Sequence[str] | None
    baseline_densities: Sequence[float]
    starts: int
    cliff: float
    levels: Sequence[float] | None
    finalists: int
    short_epochs: int
    margin: float
    storage: str | None
    stale_seconds: float

    def __post_init__(self) -> None:
        check_study_name("study.name", self.name)
        checks.one_of("study.objective", self.objective, OBJECTIVES)
        check_limits(self)
        checks.one_of("study.cost", self.cost, COSTS)
        checks.one_of("study.form", self.form, FORMS)
        checks.whole("study.batch", self.batch, 1)
        checks.one_of("study.pruner", self.pruner, _PRUNERS)
        checks.one_of("study.sampler", self.sampler, (*sampling.NAMES, "greedy"))
        self._sampler(dimensions=2)
        checks.whole("study.trials", self.trials, 1)
        for name in ("epochs", "starts", "finalists", "short_epochs", "seed"):
            checks.whole(f"study.{name}", getattr(self, name), 0)
        for name in ("max_drop", "margin"):
            checks.at_least(f"study.{name}", getattr(self, name), 0)
        for name in self.baselines or ():
            checks.one_of("study.baselines", name, BASELINES)
        checks.levels("study.baseline_densities", self.baseline_densities, "density")
        checks.within("study.cliff", self.cliff, 0, math.inf)
        if self.minutes is not None:
            checks.within("study.minutes", self.minutes, 0, math.inf)
        checks.at_least("study.stale_seconds", self.stale_seconds, 1)

    def run(self, session: Session) -> None:
        """Search, retrain the finalists, and show them.

        Raises:
            UserError: the request does not fit the network, the storage or a study of the same name.
        """
        kind = kind_of(session)
        if self.baselines is None:
            replace(self, baselines=OF_UNITS if kind == "units" else OF_WEIGHTS).run(session)
            return
        for group, choice in (("mode", "prune"), ("schedule", "one_shot")):
            if session.choices[group] != choice:
                raise UserError(
                    f"study=layer_thresholds cuts once and retrains what is left: it needs {group}={choice}"
                )
        levels = self.levels if self.levels is not None else LEVELS[kind]
        checks.levels("study.levels", levels, kind)
        check_baselines(session, self._baselines)
        cost = trial_cost(session, self.cost, self.form, self.batch).limited(self.max_cost)
        if session.spec.plan:
            self._show_plan(session)
            return
        session.check_records()
        if self.storage is not None:
            open_storage(self.storage, Path())  # said before hours of work, not after
        with session.display.running(self.trials, "trials"):
            metric = metric_of(session)
            curves, whole = curves_once(session, levels, kind)
            bounds = space.bounded(curves, kind, self.cliff)
            beaten = self._beaten(session, kind, cost)
            worker = self._worker(session, cost, curves, bounds, beaten)
            worker.prepare()
            record = self._record(session, cost, worker.definition)
            with record.closing():
                bench = Bench(session, record, worker.definition.name, sizes_of(session), cost)
                trial = TrialEvaluator(bench, self, metric, whole, worker)
                worker.work(self.trials, trial.evaluate, None if self.minutes is None else 60 * self.minutes)
                finalists = self._retrained(session, bench, worker, whole)
                best = report.best_of(finalists, metric, whole) if self.objective == "best" else None
                record.summarise(report.numbers(worker.finished(self.trials), finalists, best, metric))
        report.show(session.display, worker, self.trials, finalists, best, metric, whole, self.cost)
        session.display.warn(session.job.overlooked)
        session.display.say(f"study {worker.definition.name} in {redact(self._storage(worker.definition.name))}")
        show_record(session, record, f"Study {worker.definition.name}")

    def _show_plan(self, session: Session) -> None:
        display, places = session.display, (*session.places, ("study", self.name or "named by its definition"))
        of = session.identity(session.job.budgets[0], session.job.routes[0])
        display.plan(of, make_plan(session.job, session.store, places, only=session.dense_only()))
        each = f"{self.epochs} epochs of retraining each" if self.epochs else "one evaluation each"
        beside = self._beside if self.finalists else 0
        more = f" and up to {beside} baselines" if beside else ""
        display.say(
            f"  trials    {self.trials} in total, {each}; then {self.finalists} finalists{more}, "
            f"{_full(session)} epochs each"
        )

    @property
    def _baselines(self) -> Sequence[str]:
        """None for the paper's own procedure, which is tried by itself."""
        return () if self.sampler == "greedy" else self.baselines or ()

    @property
    def _beside(self) -> int:
        """How many trials are of baselines; they have the first numbers."""
        return len(self._baselines) * (len(self.baseline_densities) if self.max_cost is None else 1)

    def _beaten(self, session: Session, kind: BudgetKind, cost: TrialCost) -> list[space.Levels]:
        """The levels of baselines: at densities, or where they just keep to ``max_cost``."""
        if self.max_cost is None:
            return baselines(session, self._baselines, self.baseline_densities, kind)
        share = partial(probed_share, session, sizes_of(session), cost)
        return baselines_within(session, self._baselines, kind, self.max_cost, share)

    def _worker(
        self,
        session: Session,
        cost: TrialCost,
        curves: space.Curves,
        bounds: space.Space,
        beaten: Sequence[space.Levels],
    ) -> Worker:
        first, bounds = [*beaten, *self._first(curves, bounds)], bounds.holding(beaten)
        dense_key = train_dense(session.job.setting).key
        about = {**self._about(session, curves, bounds, dense_key), **cost.about}
        labels = (session.choices[group] for group in ("model", "data", "reg"))
        digest = short(stage_key("study", 1, about, [dense_key]))
        name = self.name or _automatic(*labels, f"seed{session.spec.seed}", digest)
        dimensions = {layer: _dimension(bounds, layer) for layer in bounds.mildest}
        varied = {layer: found for layer, found in dimensions.items() if not found.single()}
        if not varied:
            cliff = f"study.cliff={self.cliff:g} {metric_of(session).change_unit}"
            raise UserError(f"no layer can be pruned before it costs {cliff}: nothing to search")
        chosen = self._sampler(len(varied), first)
        storage = open_storage(self.storage, Path(self._storage(name)))
        definition = Definition(name, directions(self.objective, metric_of(session), self.cost), about)
        pruner, stop_if_requested = _PRUNERS[self.pruner](), session.store.stop_if_requested
        return Worker(storage, definition, chosen, dimensions, pruner, self.stale_seconds, stop_if_requested)

    def _sampler(self, dimensions: int, first: Sequence[space.Levels] = ()) -> BaseSampler:
        name = "random" if self.sampler == "greedy" else self.sampler
        return sampling.sampler(name, self.seed, OBJECTIVES[self.objective], dimensions, first)

    def _about(self, session: Session, curves: space.Curves, bounds: space.Space, dense_key: str) -> Mapping[str, Any]:
        """Everything that defines the search: not how many trials, nor what happens to the best."""
        return {
            "baseline": dense_key,
            "criterion": stage_key("criterion", 1, session.job.setting.cut.identity, []),
            "batchnorm": session.job.setting.recalibrate_batchnorm,
            "retraining": _recipe(session.retrained_for(self.epochs)) if self.epochs else "",
            "cliff": self.cliff,
            "levels": [step.level for step in next(iter(curves.values()))],
            "bounds": {name: [bounds.mildest[name], bounds.hardest[name]] for name in bounds.mildest},
            "sampler": self.sampler,
            "seed": self.seed,
            "baselines": list(self._baselines),
            "baseline_densities": list(self.baseline_densities) if self._baselines and self.max_cost is None else [],
            "starts": None if self.sampler == "greedy" else self.starts,
            "epochs": self.epochs,
            "max_drop": self.max_drop if self.objective == "smallest" else None,
            "pruner": self.pruner if self.epochs else None,
            "margin": self.margin if self.epochs and self.objective == "pareto" else None,
        }

    def _first(self, curves: space.Curves, bounds: space.Space) -> list[space.Levels]:
        if self.sampler == "greedy":
            return [space.greedy(curves, bounds, self.cliff, number) for number in range(self.trials)]
        return space.starts(curves, bounds, self.cliff, self.starts)

    def _storage(self, name: str) -> str:
        return self.storage or str(journal(name))

    def _record(self, session: Session, cost: TrialCost, definition: Definition) -> Record:
        chosen = {group: session.choices[group] for group in ("model", "data", "train", "reg", "dropout", "criterion")}
        params = {**chosen, "seed": session.spec.seed, "study": definition.name, "objective": self.objective}
        dense_key = train_dense(session.job.setting).key
        key = stage_key("study", 1, {"name": definition.name, "about": dict(definition.about)}, [dense_key])
        params |= {"sampler": self.sampler, "dense_key": dense_key, **cost.about}
        return session.open_study(key, definition.name, params)

    def _retrained(self, session: Session, bench: Bench, worker: Worker, dense: float) -> list[FrozenTrial]:
        """The finalists, retrained by whichever workers are there."""
        metric = metric_of(session)
        chosen = self._chosen(worker.finished(self.trials), metric, dense)
        if not chosen:
            if self.finalists:
                near = limit_text(self, metric, self.cost, 2 * self.cliff)
                session.display.note(f"no trial {near}, so that none is retrained in full")
            return []
        numbers = [trial.number for trial in chosen]
        full = _full(session)
        rungs = [epochs for epochs in (self.short_epochs,) if 0 < epochs < full] + [full]
        about = {"trials": numbers, "rungs": rungs, "margin": self.margin, "retraining": _recipe(session)}
        # A study of its own for other finalists, or another retraining: neither belongs to the search's definition.
        name = f"{worker.definition.name}-finalists-{short(stage_key('finalists', 1, about, []))}"
        ladder = replace(
            worker,
            definition=Definition(name, directions("pareto", metric, self.cost), {**worker.definition.about, **about}),
            sampler=sampling.sampler("random", 0, 2, len(worker.space), [trial.params for trial in chosen]),
        )
        ladder.prepare()
        session.display.begin_points(len(chosen), "finalists")
        ladder.work(len(chosen), FinalistEvaluator(bench, metric, dense, numbers, rungs, self, ladder).evaluate)
        return ladder.finished(len(chosen))

    def _chosen(self, trials: Sequence[FrozenTrial], metric: Metric, dense: float) -> list[FrozenTrial]:
        complete = {trial.number: trial for trial in trials if trial.state == TrialState.COMPLETE}
        scored = {n: (trial.user_attrs["val"], trial.user_attrs[self.cost]) for n, trial in complete.items()}
        merits = {n: (metric.merit(dense, val), cost) for n, (val, cost) in scored.items()}
        floor = (own := metric.merit(dense, dense)) - 2 * self.cliff
        hopeful = [n for n, (merit, _) in merits.items() if merit >= floor]
        if self.objective == "pareto":
            first = space.spread_out(space.front(merits, floor, own), self.finalists)
        else:
            allowed = ranked(self, {n: (metric.loss(dense, val), cost) for n, (val, cost) in scored.items()})
            hopeful, first = allowed if self.objective == "best" else hopeful, allowed[: self.finalists]
        beside = [n for n in range(self._beside if self.finalists else 0) if n in hopeful]
        chosen = dict.fromkeys([*first, *beside])  # the best come first, so that others can be given up
        return [complete[n] for n in (chosen if self.objective == "best" else sorted(chosen))]


def _automatic(*parts: str) -> str:
    """A name that is also that of a file: choices may lie in folders of their group."""
    return "-".join(("layer_thresholds", *parts)).replace("/", "-")


def _recipe(session: Session) -> str:
    """Everything that retraining depends on besides the mask."""
    regime = session.job.setting.retraining.identity
    parts = {"retrain": regime["retrain"], "retrain_penalty": regime["penalty"], "dropout": regime["dropout"]}
    return stage_key("retraining", 1, parts, [])


def _full(session: Session) -> int:
    """Epochs of retraining that the experiment asks for."""
    return session.job.setting.retraining.recipe.value.epochs


def _dimension(bounds: space.Space, layer: str) -> BaseDistribution:
    low, high = sorted((bounds.mildest[layer], bounds.hardest[layer]))
    return FloatDistribution(low, high, log=bounds.kind == "density")
