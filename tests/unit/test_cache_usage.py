"""When a result was last used: every use sets the time that collection goes by."""

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


def test_a_checkpoint_that_is_planned_with_is_noted(paths: Paths) -> None:
    def make(checkpoint: Checkpoint) -> Artefact:
        checkpoint.save({}, {})
        raise KeyboardInterrupt

    store = Store(paths.root)
    with pytest.raises(KeyboardInterrupt):
        store.produce(THIRD, "dense", make)
    os.utime(paths.checkpoints(THIRD), (1e9, 1e9))
    assert not store.has(THIRD)
    assert time.time() - paths.checkpoints(THIRD).stat().st_mtime < 60


def test_a_result_whose_times_cannot_be_changed_is_read_all_the_same(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(f"{path} is another user's")

    monkeypatch.setattr("pruneexp.cache.store.os.utime", refuse)
    assert Store(paths.root).has(KEY)
    monkeypatch.undo()
    assert not noted(paths, KEY)
