"""Stages that are trained together: with the bits that each has alone, killed or not, beside other processes or not."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pruneexp.cache import files
from pruneexp.cache.files import Paths
from pruneexp.cache.store import Artefact, Store
from pruneexp.experiment.build import Job
from pruneexp.schema import Budget
from pruneexp.signals import Stopped, StopRequest
from pruneexp.stages.graph import Route, Runner
from pruneexp.stages.setting import Setting
from pruneexp.stages.together import train_together
from pruneexp.training.events import TrainingEvent
from pruneexp.training.fit import Diverged
from tests.contracts.jobs import built

BUDGETS = "curve.densities=[0.5,0.3,0.1]"


class Killed(BaseException):
    """What no handler swallows."""


@pytest.fixture(scope="module")
def job() -> Job:
    return built(BUDGETS, "retrain.epochs=3")


@pytest.fixture(scope="module")
def alone(job: Job, tmp_path_factory: pytest.TempPathFactory) -> list[Artefact]:
    """The results of the curve's points, none of them trained beside another."""
    return [Runner(Store(tmp_path_factory.mktemp("alone"))).artefact(route.final) for route in job.routes]


def listening(job: Job, seen: list[TrainingEvent], die_at: int = 0) -> tuple[Route, ...]:
    """The routes of a job whose trainings are listened to, and killed as the epoch of this number is told."""

    def listen(event: TrainingEvent) -> None:
        seen.append(event)
        if die_at and len(epochs(seen)) == die_at:
            raise Killed

    varied = replace(job, setting=replace(job.setting, listeners=(listen,)))
    return tuple(varied.route(budget, varied.budgets) for budget in varied.budgets)


def epochs(seen: list[TrainingEvent], stage: str = "retrain") -> list[int]:
    return [event.epoch for event in seen if (event.kind, event.stage) == ("epoch", stage)]


def finals(store: Store, routes: tuple[Route, ...]) -> list[Artefact | None]:
    """What is stored of the last stages, without computing anything."""
    return [store.load(route.final.key) for route in routes]


def same(one: Artefact | None, other: Artefact) -> bool:
    """Whether weights and numbers are the same, bit by bit; seconds are not."""
    assert one is not None
    numbers = [{name: value for name, value in each.record.items() if name != "effort"} for each in (one, other)]
    weights = [torch.equal(one.tensors[name], other.tensors[name]) for name in other.tensors]
    return all(weights) and numbers[0] == numbers[1]


def test_points_trained_together_are_those_trained_alone(job: Job, alone: list[Artefact], tmp_path: Path) -> None:
    seen: list[TrainingEvent] = []
    routes, store = listening(job, seen), Store(tmp_path)
    runner = Runner(store)
    train_together(runner, routes)
    assert all(same(*pair) for pair in zip(finals(store, routes), alone, strict=True))
    assert epochs(seen) == [1, 1, 1, 2, 2, 2, 3, 3, 3]  # side by side
    assert epochs(seen, "dense") == [1, 2]
    assert [runner.hits[route.final.key] for route in routes] == [False] * 3
    train_together(Runner(store), routes)
    assert len(epochs(seen)) == 9
    assert not list(Paths(tmp_path).root.glob("work/*"))
    assert not list(Paths(tmp_path).root.glob("locks/*"))


@pytest.mark.parametrize("die_at", [2, 4, 9])
def test_killed_while_it_trains_it_goes_on_together(
    die_at: int, job: Job, alone: list[Artefact], tmp_path: Path
) -> None:
    seen: list[TrainingEvent] = []
    with pytest.raises(Killed):
        train_together(Runner(Store(tmp_path, checkpoint_every=0)), listening(job, seen, die_at))
    seen.clear()
    store, routes = Store(tmp_path, checkpoint_every=0), listening(job, seen)
    train_together(Runner(store), routes)
    assert all(same(*pair) for pair in zip(finals(store, routes), alone, strict=True))
    assert epochs(seen, "dense") == []
    assert epochs(seen)[0] == (die_at + 2) // 3  # the epoch that was told when it died


def test_killed_while_it_stores_results_it_keeps_them_and_trains_the_others_again(
    job: Job, alone: list[Artefact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[TrainingEvent] = []
    routes, real, stored = listening(job, seen), files.publish, list[Path]()

    def publish(draft: Path, final: Path) -> None:
        if "artefacts" in final.parts and len(epochs(seen)) == 9:
            stored.append(final)
            if len(stored) == 2:
                raise Killed
        real(draft, final)

    with monkeypatch.context() as patch:
        patch.setattr(files, "publish", publish)
        with pytest.raises(Killed):
            train_together(Runner(Store(tmp_path, checkpoint_every=0)), routes)
    store = Store(tmp_path, checkpoint_every=0)
    assert [found is not None for found in finals(store, routes)] == [True, False, False]
    seen.clear()
    train_together(Runner(store), routes)
    assert all(same(*pair) for pair in zip(finals(store, routes), alone, strict=True))
    assert epochs(seen) == [1, 1, 2, 2, 3, 3]  # of the two that were left
    assert not list(tmp_path.glob("work/*"))


def test_a_stop_saves_what_is_trained_together(job: Job, alone: list[Artefact], tmp_path: Path) -> None:
    stop, seen = StopRequest(), list[TrainingEvent]()

    def listen(event: TrainingEvent) -> None:
        if (event.kind, event.stage, event.epoch) == ("epoch", "retrain", 2):
            stop.receive(signal.SIGTERM)

    varied = replace(job, setting=replace(job.setting, listeners=(listen, seen.append)))
    with pytest.raises(Stopped, match="SIGTERM"):
        train_together(Runner(Store(tmp_path, stop=stop)), varied.routes)
    assert len(list(tmp_path.glob("work/*"))) == 1
    assert seen[-1].kind == "epoch"
    seen.clear()
    store, routes = Store(tmp_path), listening(job, seen)
    train_together(Runner(store), routes)
    assert epochs(seen) == [3, 3, 3]
    assert all(same(*pair) for pair in zip(finals(store, routes), alone, strict=True))


def test_killed_before_it_tidies_up_it_does_so_later(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rmtree(path: Path, ignore_errors: bool = False) -> None:
        if path.parent.name == "work" and len(list(tmp_path.glob("artefacts/*/*"))) == 7:
            raise Killed
        real(path, ignore_errors=ignore_errors)

    real, routes = shutil.rmtree, listening(job, [])
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", rmtree)
        with pytest.raises(Killed):
            train_together(Runner(Store(tmp_path, checkpoint_every=0)), routes)
    assert len(list(tmp_path.glob("work/*"))) == 1
    train_together(Runner(Store(tmp_path)), routes)
    assert list(tmp_path.glob("work/*")) == []


@contextmanager
def held(store: Store, key: str) -> Iterator[None]:
    """Hold a key's lock as another process does that computes it."""
    descriptor = os.open(Paths(store.root).lock(key), os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def test_what_another_process_computes_is_left_to_it(job: Job, alone: list[Artefact], tmp_path: Path) -> None:
    seen: list[TrainingEvent] = []
    routes, store = listening(job, seen), Store(tmp_path)
    runner = Runner(store)
    with held(store, routes[1].final.key):
        train_together(runner, routes)
    assert [found is not None for found in finals(store, routes)] == [True, False, True]
    assert same(runner.artefact(routes[1].final), alone[1])
    assert len(epochs(seen)) == 9


def test_others_than_those_that_were_saved_begin_anew(job: Job, alone: list[Artefact], tmp_path: Path) -> None:
    seen: list[TrainingEvent] = []
    store = Store(tmp_path, checkpoint_every=0)
    routes = listening(job, seen, 4)
    with held(store, routes[1].final.key), pytest.raises(Killed):
        train_together(Runner(store), routes)
    seen.clear()
    again = Runner(Store(tmp_path, checkpoint_every=0))
    routes = listening(job, seen)
    train_together(again, routes)
    assert epochs(seen) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert all(same(again.artefact(route.final), own) for route, own in zip(routes, alone, strict=True))


def hot(setting: Setting) -> Setting:
    """A learning rate that no training survives."""
    regime = setting.retraining
    return replace(setting, retraining=replace(regime, recipe=regime.recipe.changed(lr=1e30)))


def test_a_point_that_diverges_fails_alone(job: Job, alone: list[Artefact], tmp_path: Path) -> None:
    broken = replace(job, setting=hot(job.setting)).route(Budget("density", 0.3))
    routes, runner = (job.routes[0], broken, job.routes[2]), Runner(Store(tmp_path))
    train_together(runner, routes)
    first, none, last = finals(runner.store, routes)
    assert none is None
    assert same(first, alone[0])
    assert same(last, alone[2])
    with pytest.raises(Diverged, match=r"^Training diverged in epoch 1 of 3 at learning rate 1e\+30"):
        runner.record(broken.final)


def test_each_round_of_a_schedule_is_trained_together(tmp_path: Path) -> None:
    seen: list[TrainingEvent] = []
    routes = listening(built(BUDGETS, "schedule=iterative", "schedule.rounds=2"), seen)
    train_together(Runner(Store(tmp_path)), routes)
    told = [event.kind for event in seen if event.stage == "retrain" and event.kind in ("begin", "epoch")]
    assert told == [*["begin"] * 3, *["epoch"] * 3] * 2
    assert all(found is not None for found in finals(Store(tmp_path), routes))


@pytest.mark.parametrize("mode", ["scratch_e", "rewind"])
def test_fresh_and_rewound_weights_are_trained_together_too(mode: str, tmp_path: Path) -> None:
    seen: list[TrainingEvent] = []
    routes = listening(built(BUDGETS, f"mode={mode}"), seen)
    train_together(Runner(Store(tmp_path)), routes)
    assert epochs(seen, "scratch") == [1, 1, 1, 2, 2, 2]


def test_a_level_is_the_longest_way_from_the_start() -> None:
    (route,) = built("curve.densities=[0.1]", "schedule=iterative", "schedule.rounds=2").routes
    assert [(step.kind, step.level) for step in route.steps] == [
        ("dense", 0), ("mask", 1), ("retrain", 2), ("mask", 3), ("retrain", 4),
    ]  # fmt: skip
