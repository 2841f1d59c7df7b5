"""The plan of a whole sweep: what its jobs ask for together, each stage counted once, however many jobs need it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from omegaconf import DictConfig

from pruneexp.config.skeleton import Device
from pruneexp.errors import UserError
from pruneexp.experiment.build import Job
from pruneexp.experiment.display import Display, curve_text
from pruneexp.experiment.plan import Work, duration, seconds_per_epoch, stage_lines
from pruneexp.experiment.session import Session, open_session
from pruneexp.experiment.slots import present
from pruneexp.stages.setting import Setting
from pruneexp.tracking import Recorded
from pruneexp.tracking.stores import Unreachable


@dataclass(frozen=True)
class JobPlan:
    """One job. ``recorded`` are points that the tracking store holds; ``problem`` says why nothing else is known."""

    curve: str = ""
    points: int = 0
    in_store: int = 0
    recorded: int = 0
    missing: Mapping[str, Work] = field(default_factory=dict)
    stored: Mapping[str, Work] = field(default_factory=dict)
    places: tuple[tuple[str, str], ...] = ()
    problem: UserError | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left to do: every point is recorded."""
        return self.problem is None and self.recorded == self.points


@dataclass(frozen=True)
class SweepPlan:
    jobs: tuple[JobPlan, ...]

    def lines(self) -> Iterator[tuple[str, str]]:
        """Label and text of each line that is shown."""
        missing = {key: work for job in self.jobs for key, work in job.missing.items()}
        stored = {key: work for job in self.jobs for key, work in job.stored.items()}
        asked, there, recorded = (
            sum(getattr(job, name) for job in self.jobs) for name in ("points", "in_store", "recorded")
        )
        unknown = [job for job in self.jobs if job.problem is not None]
        yield "jobs", f"{len(self.jobs)} asked, {sum(job.done for job in self.jobs)} recorded whole"
        yield "points", f"{asked} asked, {there} in the store, {recorded} recorded"
        yield from stage_lines(missing.values(), stored.values())
        if missing:
            seconds = sum(work.seconds for work in missing.values())
            flop = sum(work.flop for work in missing.values())
            took = (
                "on a GPU whose time is unknown" if math.isnan(seconds) else f"about {duration(seconds)} of one worker"
            )
            yield "work", f"{flop:.2g} FLOP, {took}"
        yield from dict.fromkeys(place for job in self.jobs for place in job.places)
        if unknown:
            yield "unknown", f"{len(unknown)} jobs cannot be planned here: {unknown[0].problem}"


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
        works, there = self._works(session, timed=timed)
        recorded = self._points(session, identities[0].curve_key)
        return JobPlan(
            curve=curve_text(identities[0]),
            points=len(identities),
            in_store=sum(all(step.key in there for step in route.steps) for route in session.job.routes),
            recorded=sum(identity.point_key in recorded for identity in identities),
            missing={key: work for key, work in works.items() if key not in there},
            stored={key: work for key, work in works.items() if key in there},
            places=session.places,
        )

    def _works(self, session: Session, *, timed: bool) -> tuple[dict[str, Work], set[str]]:
        stages = {step.key: step for route in session.job.routes for step in route.steps}
        there = {key for key in stages if session.store.has(key)}
        trains = any(stage.epochs for key, stage in stages.items() if key not in there)
        each = self._seconds_per_epoch(session.job) if trains and timed else math.nan if trains else 0.0
        works = {key: Work(key, s.kind, s.epochs, s.flop, s.epochs and s.epochs * each) for key, s in stages.items()}
        return works, there

    def _seconds_per_epoch(self, job: Job) -> float:
        what = _timed(job.setting)
        if what not in self._epochs:
            self._epochs[what] = seconds_per_epoch(job.setting)
        return self._epochs[what]

    def _points(self, session: Session, curve_key: str) -> frozenset[str]:
        place = (session.courier.uri, session.config.runtime.experiment)
        if place not in self._recorded:
            try:
                self._recorded[place] = Recorded(*place)
            except Unreachable:
                if not session.config.runtime.spool:
                    raise
                self._recorded[place] = None  # what is asked for is to work without it
        found = self._recorded[place]
        return frozenset() if found is None else found.points(curve_key)


def _timed(setting: Setting) -> str:
    """What decides how long an epoch takes."""
    parts = (setting.configs["model"], setting.train.batch_size, len(setting.data.train), str(setting.device))
    return json.dumps(parts, sort_keys=True, default=str)
