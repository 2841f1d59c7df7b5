"""What a job would do, known before it does anything: what is stored already, what is missing, and what that costs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from pruneexp.cache.store import Store
from pruneexp.experiment.build import Job
from pruneexp.experiment.foreseen import check_pretrained, unreachable
from pruneexp.experiment.identity import identity
from pruneexp.stages.graph import Route, StageKind
from pruneexp.stages.setting import Learner, Setting
from pruneexp.terminal import duration
from pruneexp.training import seeding

#: Timed training steps; the first, which allocates, is not counted.
TIMED_STEPS = 3

#: FLOP of one of them at most: half a second on a slow core, and still a batch of AlexNet at 67 px.
TIMED_FLOP = 2e10


@dataclass(frozen=True)
class Work:
    """A stage as a plan sees it, without the networks and data that the stage itself holds on to."""

    of: StageKind
    level: int
    epochs: float
    flop: float
    seconds: float


@dataclass(frozen=True)
class Plan:
    """``missing`` and ``stored`` hold each stage once, by its key, in the order they are needed.

    ``overlooked`` says what the numbers of the points will leave out, ``unreachable`` which points will fail.
    """

    points: int
    points_stored: int
    missing: Mapping[str, Work]
    stored: Mapping[str, Work]
    places: tuple[tuple[str, str], ...]
    overlooked: str = ""
    unreachable: tuple[str, ...] = ()

    def lines(self) -> Iterator[tuple[str, str]]:
        """Label and text of each line that is shown."""
        missing = self.missing.values()
        yield "points", f"{self.points} asked, {self.points_stored} in the store"
        yield from stage_lines(missing, self.stored.values())
        if missing:
            seconds = sum(work.seconds for work in missing)
            yield "work", f"{sum(work.flop for work in missing):.2g} FLOP, about {duration(seconds)}"
        if self.overlooked:
            yield "warning", self.overlooked
        for reason in self.unreachable:
            yield "warning", reason
        yield from self.places


def stage_lines(missing: Collection[Work], stored: Collection[Work]) -> Iterator[tuple[str, str]]:
    """For each kind of stage, in the order in which they come, what is to do and what is there."""
    first: dict[StageKind, int] = {}
    for work in (*missing, *stored):
        first[work.of] = min(work.level, first.get(work.of, work.level))
    for kind in sorted(first, key=lambda kind: (first[kind], kind.name)):
        open_ones = [work for work in missing if work.of == kind]
        there = sum(work.of == kind for work in stored)
        epochs = sum(work.epochs for work in open_ones)
        lasting = f" ({epochs:g} epochs)" if epochs else ""
        yield kind.name, f"{len(open_ones)} {kind.verb}{lasting}, {there} in the store"


def seconds_per_epoch(setting: Setting) -> float:
    """Extrapolated from a few steps on noise, not a number where they fail; a plan does not need more.

    At least two examples where a step of training has as many: batch normalisation may not take a single one.
    """
    learner = setting.learner
    affordable = int(TIMED_FLOP / (3 * learner.costs.flop_total))
    count = min(setting.dense.recipe.value.batch_size, max(2, affordable))
    with seeding.forked(learner.device):  # dropout draws
        try:
            return _seconds_per_example(learner, count) * len(learner.data.value.train)
        except RuntimeError:  # such as too little memory, which other work on the device may need now
            return math.nan


def _seconds_per_example(learner: Learner, count: int) -> float:
    network = learner.network("fresh")
    inputs, targets = learner.example(count, "plan")
    started = 0.0
    for step in range(1 + TIMED_STEPS):
        if step == 1:
            started = _now(learner.device)
        learner.task.value.loss(network, inputs, targets)[0].backward()
    return (_now(learner.device) - started) / TIMED_STEPS / count


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def make_plan(
    job: Job,
    store: Store,
    places: Sequence[tuple[str, str]],
    timed: Callable[[Setting], float] = seconds_per_epoch,
    only: Sequence[Route] = (),
) -> Plan:
    """Look up every stage of a job, or ``only`` those of these routes, in the store; a stored point needs no stage.

    ``timed`` is asked for an epoch's seconds if anything is to train.

    Raises:
        UserError: the dense network is to start from pretrained weights that are neither there nor can be fetched.
    """
    routes = only or job.routes
    asked = () if only else zip(job.budgets, job.routes, strict=True)
    finished = {route for budget, route in asked if store.has(identity(job, budget, route).point_key)}
    stages = {step.key: step for route in routes for step in route.steps}
    needed = {step.key for route in routes if route not in finished for step in route.steps}
    there = {key for key in stages if key not in needed or store.has(key)}
    if any(route.dense.key not in there for route in routes):
        check_pretrained(job)
    trains = any(stage.epochs for key, stage in stages.items() if key not in there)
    each = timed(job.setting) if trains else 0.0
    works = {key: Work(s.of, s.level, s.epochs, s.flop, s.epochs and s.epochs * each) for key, s in stages.items()}
    return Plan(
        points=len(routes),
        points_stored=sum(all(step.key in there for step in route.steps) for route in routes),
        missing={key: work for key, work in works.items() if key not in there},
        stored={key: work for key, work in works.items() if key in there},
        places=tuple(places),
        overlooked=job.overlooked,
        unreachable=tuple(unreachable(job)),
    )
