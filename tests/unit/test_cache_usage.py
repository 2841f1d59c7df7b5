"""When a result was last used: noted at once and every hour by every use, so that no running job loses it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pruneexp.cache.bundle import MANIFEST
from pruneexp.cache.files import Paths
from pruneexp.cache.identity import stage_key
from pruneexp.cache.store import Artefact, Checkpoint, Store

KEY, LATER, THIRD = (stage_key("dense", version, {}, []) for version in (1, 2, 3))
USES: list[Callable[[Store], object]] = [
    lambda store: store.has(KEY),
    lambda store: store.load(KEY),
    lambda store: store.record(KEY),
    lambda store: store.produce(KEY, "dense", lambda _: Artefact({}, {})),
]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    store = Store(tmp_path)
    for key in (KEY, LATER):
        store.produce(key, "dense", lambda _: Artefact({"w": torch.ones(1)}, {}))
        aged(store._paths, key)
    return store._paths


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("pruneexp.cache.inventory.time.monotonic", lambda: now[0])
    return now


def aged(paths: Paths, key: str) -> None:
    os.utime(paths.artefact(key) / MANIFEST, (1e9, 1e9))


def noted(paths: Paths, key: str) -> bool:
    """Whether the result counts as used within the last minute."""
    return time.time() - (paths.artefact(key) / MANIFEST).stat().st_mtime < 60


@pytest.mark.parametrize("use", USES)
def test_every_use_is_noted_and_nothing_else_is(paths: Paths, use: Callable[[Store], object]) -> None:
    store = Store(paths.root)
    assert not noted(paths, KEY)
    use(store)
    assert (noted(paths, KEY), noted(paths, LATER)) == (True, False)


def test_at_most_once_an_hour(paths: Paths, clock: list[float]) -> None:
    store = Store(paths.root)
    seen = []
    for clock[0] in (100.0, 101.0, 3699.0, 3700.0, 7299.0, 7300.0):
        store.has(KEY)
        seen.append(noted(paths, KEY))
        aged(paths, KEY)
    assert seen == [True, False, False, True, False, True]


@pytest.mark.parametrize("use", [lambda store: store.has(LATER), lambda store: store.stop_if_requested()])
def test_what_was_planned_with_is_noted_again_by_what_the_job_does_later(
    paths: Paths, clock: list[float], use: Callable[[Store], object]
) -> None:
    store = Store(paths.root)
    store.has(KEY)
    aged(paths, KEY)
    clock[0] += 3600
    use(store)
    assert noted(paths, KEY)


@pytest.mark.parametrize("use", [lambda place: place.save({}, {}), lambda place: place.stop_if_requested()])
def test_a_training_of_days_notes_again_what_its_job_needs_afterwards(
    paths: Paths, clock: list[float], use: Callable[[Checkpoint], object]
) -> None:
    store = Store(paths.root)
    store.has(KEY)
    aged(paths, KEY)

    def train(checkpoint: Checkpoint) -> Artefact:
        assert not noted(paths, KEY)
        clock[0] += 3600
        use(checkpoint)
        assert noted(paths, KEY)
        return Artefact({}, {})

    assert store.produce(THIRD, "dense", train)[1] is False


def test_what_another_process_computes_meanwhile_is_noted_too(paths: Paths, clock: list[float]) -> None:
    store = Store(paths.root)
    assert not store.has(THIRD)  # planned: it will be read when it is there
    Store(paths.root).produce(THIRD, "dense", lambda _: Artefact({}, {}))
    aged(paths, THIRD)
    clock[0] += 3600
    store.stop_if_requested()
    assert noted(paths, THIRD)


def test_a_result_whose_times_cannot_be_changed_is_read_all_the_same(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(f"{path} is another user's")

    monkeypatch.setattr("pruneexp.cache.inventory.os.utime", refuse)
    assert Store(paths.root).has(KEY)
    monkeypatch.undo()
    assert not noted(paths, KEY)
