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
from pruneexp.experiment.gpus import present
from pruneexp.experiment.plan import Plan, make_plan, seconds_per_epoch
from pruneexp.experiment.session import open_session
from pruneexp.stages.setting import Setting

_NOTHING = Plan(points=0, points_stored=0, missing={}, stored={}, places=())


@dataclass(frozen=True)
class JobPlan:
    """One job. Of the points of a finished curve ``recorded`` are in the store and in the records.

    ``problem`` says why nothing else is known.
    """

    work: Plan = _NOTHING
    recorded: int = 0
    problem: UserError | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left to do: every point is in the store, and recorded."""
        return self.problem is None and self.recorded == self.work.points


def survey(jobs: Sequence[tuple[DictConfig, Mapping[str, str], Sequence[str]]], display: Display) -> list[JobPlan]:
    """Open one job after the other (configuration, choices, modules of the user's) and keep of each what a plan needs.

    Computes nothing, and writes nothing but the store's own folders.

    Raises:
        UserError: the tracking URI is none.
    """
    seconds: dict[str, float] = {}

    def timed(setting: Setting) -> float:
        learner, batch = setting.learner, setting.dense.recipe.value.batch_size
        parts = (learner.model.identity, batch, len(learner.data.value.train), str(learner.device))
        decisive = json.dumps(parts, sort_keys=True, default=str)
        if decisive not in seconds:
            seconds[decisive] = seconds_per_epoch(setting)
        return seconds[decisive]

    def surveyed(config: DictConfig, choices: Mapping[str, str], own: Sequence[str]) -> JobPlan:
        on_cpu = config.copy()
        on_cpu.device = Device.cpu  # CUDA must not start: a job takes its GPU before it does, and GPUs may be elsewhere
        try:
            session = open_session(on_cpu, choices, own, display)
        except UserError as problem:  # its data may lie on another machine, or its GPU
            return JobPlan(problem=problem)
        asked = zip(session.job.budgets, session.job.routes, strict=True)
        identities = [session.identity(budget, route) for budget, route in asked]
        here = config.device.name == "cpu" or not present()
        work = make_plan(session.job, session.store, session.places, timed if here else lambda _: math.nan)
        if not session.recording.finished(identities[0].curve_key):  # its job died between its last point and its end
            return JobPlan(work)
        keys = [identity.point_key for identity in identities]
        return JobPlan(work, sum(session.store.has(key) and session.recording.recorded(key) for key in keys))

    return [surveyed(*job) for job in jobs]


def plan_lines(jobs: Sequence[JobPlan]) -> Iterator[tuple[str, str]]:
    """Label and text of each line that is shown of the plan of a sweep."""
    yield "jobs", f"{len(jobs)} asked, {sum(job.done for job in jobs)} recorded whole"
    for label, text in _together([job.work for job in jobs]).lines():
        yield label, f"{text}, {sum(job.recorded for job in jobs)} recorded" if label == "points" else text
    for reason, count in Counter(str(job.problem) for job in jobs if job.problem is not None).items():
        yield "unknown", f"{count} that cannot be planned here: {reason}"


def _together(plans: Sequence[Plan]) -> Plan:
    """What the plans ask for together; a stage of several is counted once."""
    return Plan(
        points=sum(plan.points for plan in plans),
        points_stored=sum(plan.points_stored for plan in plans),
        missing={key: work for plan in plans for key, work in plan.missing.items()},
        stored={key: work for plan in plans for key, work in plan.stored.items()},
        places=tuple(dict.fromkeys(place for plan in plans for place in plan.places)),
        unreachable=tuple(dict.fromkeys(reason for plan in plans for reason in plan.unreachable)),
        overlooked="; ".join(dict.fromkeys(plan.overlooked for plan in plans if plan.overlooked)),
    )
