"""What a job would do, known before it does anything: what is stored already, what is missing, and what that costs."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

from pruneexp.cache.store import Store
from pruneexp.experiment.build import Job
from pruneexp.stages.graph import Stage
from pruneexp.stages.setting import Setting

VERBS = {"dense": "to train", "mask": "to cut", "retrain": "to retrain", "scratch": "to train from scratch"}

#: Timed training steps; the first, which allocates, is not counted.
TIMED_STEPS = 3

#: FLOP of one of them at most: half a second on a slow core, and still a batch of AlexNet at 67 px.
TIMED_FLOP = 2e10


@dataclass(frozen=True)
class Work:
    """A stage as a plan sees it, without the networks and data that the stage itself holds on to."""

    key: str
    kind: str
    epochs: float
    flop: float
    seconds: float


@dataclass(frozen=True)
class Plan:
    """``missing`` and ``stored`` hold each stage once, in the order they are needed."""

    points: int
    points_stored: int
    missing: tuple[Stage, ...]
    stored: tuple[Stage, ...]
    seconds: float
    places: tuple[tuple[str, str], ...]

    @property
    def flop(self) -> float:
        return sum(stage.flop for stage in self.missing)

    def lines(self) -> Iterator[tuple[str, str]]:
        """Label and text of each line that is shown."""
        yield "points", f"{self.points} asked, {self.points_stored} in the store"
        yield from stage_lines(self.missing, self.stored)
        if self.missing:
            yield "work", f"{self.flop:.2g} FLOP, about {duration(self.seconds)}"
        yield from self.places


def stage_lines(missing: Collection[Stage | Work], stored: Collection[Stage | Work]) -> Iterator[tuple[str, str]]:
    """For each kind of stage, what is to do and what is there."""
    for kind, verb in VERBS.items():
        open_ones = [stage for stage in missing if stage.kind == kind]
        there = sum(stage.kind == kind for stage in stored)
        if open_ones or there:
            epochs = sum(stage.epochs for stage in open_ones)
            yield kind, f"{len(open_ones)} {verb}{f' ({epochs:g} epochs)' if epochs else ''}, {there} in the store"


def make_plan(job: Job, store: Store, places: Sequence[tuple[str, str]]) -> Plan:
    """Look up every stage of a job in the store; time a few training steps if anything is to be trained."""
    stages = {step.key: step for route in job.routes for step in route.steps}
    present = {key: store.has(key) for key in stages}
    done = sum(all(present[step.key] for step in route.steps) for route in job.routes)
    missing = tuple(stage for key, stage in stages.items() if not present[key])
    stored = tuple(stage for key, stage in stages.items() if present[key])
    epochs = sum(stage.epochs for stage in missing)
    seconds = epochs * seconds_per_epoch(job.setting) if epochs else 0.0
    return Plan(len(job.routes), done, missing, stored, seconds, tuple(places))


def seconds_per_epoch(setting: Setting) -> float:
    """Extrapolated from a few steps on a few zeros; a plan does not need more."""
    network = setting.network("fresh")
    affordable = int(TIMED_FLOP / (3 * sum(setting.layer_flop.values())))
    count = max(1, min(setting.train.batch_size, affordable))
    images = torch.zeros(count, *setting.input_shape, device=setting.device)
    labels = torch.zeros(len(images), dtype=torch.int64, device=setting.device)
    started = 0.0
    for step in range(1 + TIMED_STEPS):
        if step == 1:
            started = _now(setting.device)
        cross_entropy(network(images), labels).backward()
    return (_now(setting.device) - started) / TIMED_STEPS * len(setting.data.train) / len(images)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
