"""The plan of a whole sweep: what its jobs ask for together, each stage counted once, however many jobs need it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from pruneexp.config.skeleton import Device
from pruneexp.errors import UserError
from pruneexp.experiment.display import Display
from pruneexp.experiment.plan import Plan, make_plan, seconds_per_epoch, stage_lines
from pruneexp.experiment.session import Session, open_session
from pruneexp.experiment.slots import present
from pruneexp.stages.setting import Setting
from pruneexp.terminal import duration
from pruneexp.tracking import Recorded
from pruneexp.tracking.stores import Unreachable

_NOTHING = Plan(points=0, points_stored=0, missing={}, stored={}, places=())


@dataclass(frozen=True)
class JobPlan:
    """One job. ``recorded`` are points that the tracking store holds; ``problem`` says why nothing else is known."""

    plan: Plan = _NOTHING
    recorded: int = 0
    problem: UserError | None = None

    @property
    def points(self) -> int:
        return self.plan.points

    @property
    def done(self) -> bool:
        """Whether nothing is left to do: every point is recorded."""
        return self.problem is None and self.recorded == self.points


@dataclass(frozen=True)
class SweepPlan:
    jobs: tuple[JobPlan, ...]

    def lines(self) -> Iterator[tuple[str, str]]:
        """Label and text of each line that is shown."""
        plans = [job.plan for job in self.jobs]
        missing = {key: work for plan in plans for key, work in plan.missing.items()}
        stored = {key: work for plan in plans for key, work in plan.stored.items()}
        asked, there = sum(plan.points for plan in plans), sum(plan.points_stored for plan in plans)
        recorded = sum(job.recorded for job in self.jobs)
        unknown = [job for job in self.jobs if job.problem is not None]
        yield "jobs", f"{len(self.jobs)} asked, {sum(job.done for job in self.jobs)} recorded whole"
        yield "points", f"{asked} asked, {there} in the store, {recorded} recorded"
        yield from stage_lines(missing.values(), stored.values())
        if missing:
            seconds = sum(work.seconds for work in missing.values())
            flop = sum(work.flop for work in missing.values())
            took = "in unknown time" if math.isnan(seconds) else f"about {duration(seconds)} of one worker"
            yield "work", f"{flop:.2g} FLOP, {took}"
        yield from dict.fromkeys(("warning", plan.overlooked) for plan in plans if plan.overlooked)
        yield from dict.fromkeys(place for plan in plans for place in plan.places)
        if unknown:
            reasons = Counter(job.problem for job in unknown)
            for reason, count in reasons.items():
                yield "unknown", f"{count} that cannot be planned here: {reason}"


class Surveyor:
    """Opens one job after the other and keeps of each what a plan needs; what is equal is timed once."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._epochs: dict[str, float] = {}
        self._recorded: dict[tuple[str, str], Recorded | None] = {}

    def job(self, config: DictConfig, choices: Mapping[str, str], own: Sequence[str]) -> JobPlan:
        """The plan of one job; computes and writes nothing but the store's own folders.

        Raises:
            UserError: the tracking store cannot be used.
        """
        timed = config.device.name == "cpu" or not present()
        config = config.copy()
        # CUDA must not start here: a job takes its GPU before it does, and GPUs may be elsewhere.
        config.device = Device.cpu
        try:
            session = open_session(config, choices, own, self._display)
        except UserError as problem:  # its data may lie on another machine, or its GPU
            return JobPlan(problem=problem)
        identities = [session.identity(*pair) for pair in zip(session.job.budgets, session.job.routes, strict=True)]
        timing = self._seconds_per_epoch if timed else _unknown
        plan = make_plan(session.job, session.store, session.places, timing)
        recorded = self._points(session, identities[0].curve_key)
        return JobPlan(plan, sum(identity.point_key in recorded for identity in identities))

    def _seconds_per_epoch(self, setting: Setting) -> float:
        what = _timed(setting)
        if what not in self._epochs:
            self._epochs[what] = seconds_per_epoch(setting)
        return self._epochs[what]

    def _points(self, session: Session, curve_key: str) -> frozenset[str]:
        place = (session.courier.uri, session.spec.runtime.experiment)
        if place not in self._recorded:
            try:
                self._recorded[place] = Recorded(*place)
            except Unreachable:
                if not session.spec.runtime.spool:
                    raise
                self._recorded[place] = None  # what is asked for is to work without it
        found = self._recorded[place]
        return frozenset() if found is None else found.points(curve_key)


def _unknown(setting: Setting) -> float:
    return math.nan


def _timed(setting: Setting) -> str:
    """What decides how long an epoch takes."""
    learner, batch = setting.learner, setting.dense.recipe.value.batch_size
    parts = (learner.model.identity, batch, len(learner.data.value.train), str(learner.device))
    return json.dumps(parts, sort_keys=True, default=str)
