"""What a job would do, known before it does anything: what is stored already, what is missing, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pruneexp.cache.store import Store
from pruneexp.config.choices import known_choices
from pruneexp.experiment.build import Job
from pruneexp.experiment.foreseen import unreachable
from pruneexp.experiment.identity import identity
from pruneexp.experiment.pace import A100, BESIDE, REACHED, Paces, seconds_per_epoch
from pruneexp.stages.graph import Route, StageKind
from pruneexp.terminal import duration


@dataclass(frozen=True)
class Work:
    """A stage as a plan sees it, without the networks and data that the stage itself holds on to.

    ``pace`` is the kind of training that its epochs are of, None where it trains nothing.
    """

    of: StageKind
    level: int
    epochs: float
    flop: float
    pace: tuple[str, str] | None = None


def _untimed() -> Paces:
    return Paces(lambda _: math.nan)


@dataclass(frozen=True)
class Plan:
    """``missing`` and ``stored`` hold each stage once, by its key, in the order they are needed.

    ``recipe`` says what networks are trained by. ``paces`` say how long epochs take, and ``at_once`` how many jobs run
    side by side. ``overlooked`` says what the numbers of the points will leave out, ``unreachable`` which points fail.
    """

    points: int
    points_stored: int
    missing: Mapping[str, Work]
    stored: Mapping[str, Work]
    places: tuple[tuple[str, str], ...]
    recipe: str = ""
    overlooked: str = ""
    unreachable: tuple[str, ...] = ()
    paces: Paces = field(default_factory=_untimed)
    at_once: int = 1

    def lines(self) -> Iterator[tuple[str, str]]:
        """Label and text of each line that is shown."""
        missing = self.missing.values()
        yield "points", f"{self.points} asked, {self.points_stored} in the store"
        yield from stage_lines(missing, self.stored.values())
        if self.recipe and any(work.epochs for work in missing):
            yield "recipe", self.recipe
        if missing:
            low, high = self.seconds()
            lasting = "" if math.isnan(low) else f", about {between(low, high)}"
            at_once = f", {self.at_once} jobs at a time" if self.at_once > 1 else ""
            flop = sum(work.flop for work in missing)
            yield "work", f"{flop:.2g} FLOP{lasting}{at_once}"
            yield from on_a_gpu(flop)
        if self.overlooked:
            yield "warning", self.overlooked
        for reason in self.unreachable:
            yield "warning", reason
        yield from self.places

    def seconds(self) -> tuple[float, float]:
        """Seconds that what is missing takes, at best and at worst."""
        pairs = [self.paces.seconds(work.pace) for work in self.missing.values() if work.pace is not None]
        epochs = [work.epochs for work in self.missing.values() if work.pace is not None]
        low, high = (sum(e * p[end] for e, p in zip(epochs, pairs, strict=True)) for end in (0, 1))
        beside = BESIDE * len(self.missing)
        return (low + beside) / self.at_once, (high + 2 * beside) / self.at_once


def between(low: float, high: float) -> str:
    """A range of durations in the unit of its longer end: ``2 to 4 min``; one of them where both read alike."""
    unit = 1.0 if high < 90 else 60.0 if high < 5400 else 3600.0
    first, last = duration(low), duration(high)
    if unit > 1.0:
        number, name = last.split()
        first = f"{max(low / unit, 0):.{1 if '.' in number else 0}f} {name}"
    first, name = first.split()
    return last if f"{first} {name}" == last else f"{first} to {last}"


def on_a_gpu(flop: float) -> Iterator[tuple[str, str]]:
    """How long work takes on a GPU that has a name, where that is an hour or more."""
    best, worst = (flop / (A100 * share) for share in REACHED)
    if best >= 3600:
        assumed = " to ".join(f"{100 * share:.0f}" for share in REACHED)
        of = f"at {assumed} % of its {A100 / 1e12:g} TFLOP/s (TF32)"
        yield "gpu", f"{between(best, worst)} on one NVIDIA A100, {of}: an assumption"


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


def make_plan(
    job: Job,
    store: Store,
    places: Sequence[tuple[str, str]],
    paces: Paces | None = None,
    only: Sequence[Route] = (),
) -> Plan:
    """Look up every stage of a job, or ``only`` those of these routes, in the store; a stored point needs no stage.

    ``paces`` learn from what is stored, and are asked to try out what is to train.
    """
    paces = paces or Paces(seconds_per_epoch)
    routes = only or job.routes
    asked = () if only else zip(job.budgets, job.routes, strict=True)
    finished = {route for budget, route in asked if store.has(identity(job, budget, route).point_key)}
    stages = {step.key: step for route in routes for step in route.steps}
    needed = {step.key for route in routes if route not in finished for step in route.steps}
    there = {key for key in stages if key not in needed or store.has(key)}
    works = {}
    for key, stage in stages.items():
        pace = paces.kind(stage, job.setting) if stage.epochs else None
        if pace is not None and key not in there:
            paces.guess(pace, job.setting)
        elif pace is not None and (record := store.record(key)) is not None:
            paces.learn(pace, record)
        works[key] = Work(stage.of, stage.level, stage.epochs, stage.flop, pace)
    return Plan(
        points=len(routes),
        points_stored=sum(all(step.key in there for step in route.steps) for route in routes),
        missing={key: work for key, work in works.items() if key not in there},
        stored={key: work for key, work in works.items() if key in there},
        places=tuple(places),
        recipe=recipe_line(job.spec.choices, job.spec.values["train"]),
        overlooked=job.overlooked,
        unreachable=tuple(unreachable(job)),
        paces=paces,
    )


def recipe_line(chosen: Mapping[str, str], train: Mapping[str, Any]) -> str:
    """What networks are trained by; where none is tuned for network and data, that, and what is done in its place."""
    if chosen["train"] != "default":
        return chosen["train"]
    done = f"{train['epochs']:g} epochs of {train['optimizer']} at {train['lr']:g}"
    family = chosen["data"].rstrip("0123456789")  # CIFAR-10 and CIFAR-100 share theirs
    shared = [name for name in known_choices((), "train") if name in (f"{family}_paper", f"{family}_short")]
    others = f"train={' or '.join(shared)} takes one for such data" if shared else "train=NAME takes another's"
    return f"none is tuned for {chosen['model']} on {chosen['data']}: {done}; {others}"
