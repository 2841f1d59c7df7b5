"""The plan of a whole sweep: what its jobs ask for together, each stage counted once, however many jobs need it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig

from pruneexp.config.skeleton import Device
from pruneexp.errors import UserError
from pruneexp.experiment.alike import Alike
from pruneexp.experiment.display import Display
from pruneexp.experiment.gpus import present
from pruneexp.experiment.pace import Paces, seconds_per_epoch
from pruneexp.experiment.plan import Plan, make_plan
from pruneexp.experiment.session import open_session

_NOTHING = Plan(points=0, points_stored=0, missing={}, stored={}, places=())


@dataclass(frozen=True)
class JobPlan:
    """One job. Of the points of a finished curve ``recorded`` are in the store and in the records.

    ``keys`` are those of its points in the ``store``. It keeps so many ``cores`` busy, None where a GPU computes.
    ``problem`` says why nothing else is known.
    """

    work: Plan = _NOTHING
    recorded: int = 0
    keys: tuple[str, ...] = ()
    store: Path | None = None
    cores: int | None = None
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
    timed, untimed, alike = Paces(seconds_per_epoch), Paces(lambda _: math.nan), Alike(keeps=True)

    def surveyed(config: DictConfig, choices: Mapping[str, str], own: Sequence[str]) -> JobPlan:
        on_cpu = config.copy()
        on_cpu.device = Device.cpu  # CUDA must not start: a job takes its GPU before it does, and GPUs may be elsewhere
        try:
            session = open_session(on_cpu, choices, own, display, alike=alike)
        except UserError as problem:  # its data may lie on another machine, or its GPU
            return JobPlan(problem=problem)
        asked = zip(session.job.budgets, session.job.routes, strict=True)
        identities = [session.identity(budget, route) for budget, route in asked]
        here = config.device.name == "cpu" or not present()
        work = make_plan(session.job, session.store, session.places, timed if here else untimed)
        keys = tuple(identity.point_key for identity in identities)
        recorded = 0
        if session.recording.finished(identities[0].curve_key):  # else its job died between its last point and its end
            recorded = sum(session.store.has(key) and session.recording.recorded(key) for key in keys)
        cores = max(torch.get_num_threads(), config.runtime.cores or 1) if here else None
        return JobPlan(work, recorded, keys, session.store.root, cores)

    return [surveyed(*job) for job in jobs]


def plan_lines(jobs: Sequence[JobPlan], at_once: int) -> Iterator[tuple[str, str]]:
    """Label and text of each line that is shown of the plan of a sweep, of which so many jobs run ``at_once``."""
    yield "jobs", f"{len(jobs)} asked, {sum(job.done for job in jobs)} recorded whole"
    for label, text in _together([job.work for job in jobs], at_once).lines():
        yield label, f"{text}, {sum(job.recorded for job in jobs)} recorded" if label == "points" else text
    for reason, count in Counter(str(job.problem) for job in jobs if job.problem is not None).items():
        yield "unknown", f"{count} that cannot be planned here: {reason}"


def in_waves(numbers: Sequence[int], plans: Sequence[JobPlan]) -> list[int]:
    """Jobs in an order in which those side by side do not wait for each other.

    Of the jobs that need the same stage first, such as one dense network, each is a wave later than the one before.
    """
    before: Counter[str] = Counter()
    waves = {}
    for number in numbers:
        first = next(iter(plans[number].work.missing), str(number))
        waves[number] = before[first]
        before[first] += 1
    return sorted(numbers, key=lambda number: waves[number])


def _together(plans: Sequence[Plan], at_once: int) -> Plan:
    """What the plans ask for together; a stage of several is counted once."""
    return Plan(
        points=sum(plan.points for plan in plans),
        points_stored=sum(plan.points_stored for plan in plans),
        missing={key: work for plan in plans for key, work in plan.missing.items()},
        stored={key: work for plan in plans for key, work in plan.stored.items()},
        places=tuple(dict.fromkeys(place for plan in plans for place in plan.places)),
        unreachable=tuple(dict.fromkeys(reason for plan in plans for reason in plan.unreachable)),
        recipe="; ".join(dict.fromkeys(plan.recipe for plan in plans if plan.recipe)),
        overlooked="; ".join(dict.fromkeys(plan.overlooked for plan in plans if plan.overlooked)),
        paces=next((plan.paces for plan in plans if plan.points), Paces(seconds_per_epoch)),
        at_once=at_once,
    )
