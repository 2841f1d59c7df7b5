"""Checkpoints: the last complete save comes back exactly, or none does."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import torch

from pruneexp.cache import files
from pruneexp.cache.bundle import MANIFEST, RECORD, TENSORS
from pruneexp.cache.checkpoint import Checkpoint
from pruneexp.cache.files import Paths
from pruneexp.cache.identity import stage_key
from pruneexp.cache.store import Artefact, Store
from pruneexp.errors import UserError
from pruneexp.signals import StopRequest

KEY = stage_key("dense", 1, {}, [])


@pytest.fixture
def events() -> list[str]:
    return []


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


def opened(paths: Paths, key: str = KEY, *, every: float = 0.0, on_event: Callable[[str], None] = print) -> Checkpoint:
    return Checkpoint(paths, key, every=every, on_event=on_event, stop=StopRequest())


@pytest.fixture
def checkpoint(paths: Paths, events: list[str]) -> Checkpoint:
    return opened(paths, on_event=events.append)


def saves(paths: Paths) -> list[Path]:
    return list(paths.checkpoints(KEY).iterdir())


def test_there_is_none_at_first(checkpoint: Checkpoint, events: list[str]) -> None:
    assert checkpoint.load() is None
    assert events == []


def test_generators_moments_and_position_come_back_exactly(checkpoint: Checkpoint) -> None:
    generator = torch.Generator().manual_seed(3)
    torch.rand(5, generator=generator)
    weights = {"fc.weight": torch.randn(2, 3), "fc.bias": torch.randn(2)}
    moments = {"exp_avg.fc.weight": torch.randn(2, 3), "step.fc.weight": torch.tensor(17.0)}  # as Adam keeps them
    state = {"epoch": 3, "step": 17, "lr": 0.1, "losses": [0.25, None], "nested": {"a": True}}
    checkpoint.save({"generator": generator.get_state(), **weights, **moments}, state)
    expected = torch.rand(4, generator=generator)
    found = checkpoint.load()
    assert found is not None
    tensors, state_found = found
    assert state_found == state
    assert all(torch.equal(tensors[name], value) for name, value in {**weights, **moments}.items())
    resumed = torch.Generator()
    resumed.set_state(tensors["generator"])
    assert torch.equal(torch.rand(4, generator=resumed), expected)


def test_only_the_last_save_is_kept(checkpoint: Checkpoint, paths: Paths) -> None:
    for epoch in range(12):
        checkpoint.save({"w": torch.full((2,), float(epoch))}, {"epoch": epoch})
    found = checkpoint.load()
    assert found is not None
    assert (found[0]["w"].tolist(), found[1]) == ([11.0, 11.0], {"epoch": 11})
    assert len(saves(paths)) == 1


@pytest.mark.parametrize("name", [MANIFEST, RECORD, TENSORS])
def test_a_damaged_save_is_said_and_ignored(checkpoint: Checkpoint, paths: Paths, events: list[str], name: str) -> None:
    checkpoint.save({"w": torch.ones(3)}, {"epoch": 1})
    path = saves(paths)[0] / name
    path.write_bytes(path.read_bytes()[:-1])
    assert checkpoint.load() is None
    assert len(events) == 1
    assert f"checkpoint of {KEY[:8]} is damaged" in events[0]
    assert name in events[0]
    checkpoint.save({}, {"epoch": 2})
    assert checkpoint.load() == ({}, {"epoch": 2})
    assert len(saves(paths)) == 1


def test_killed_before_the_save_before_is_removed_the_last_one_counts(
    checkpoint: Checkpoint, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save({}, {"epoch": 1})
    with monkeypatch.context() as killed:
        killed.setattr("pruneexp.cache.checkpoint.shutil.rmtree", lambda *_, **__: None)
        checkpoint.save({}, {"epoch": 2})
    assert len(saves(paths)) == 2
    assert checkpoint.load() == ({}, {"epoch": 2})
    checkpoint.save({}, {"epoch": 3})
    assert len(saves(paths)) == 1


def test_a_checkpoint_belongs_to_its_key(checkpoint: Checkpoint, paths: Paths, events: list[str]) -> None:
    checkpoint.save({}, {"epoch": 1})
    other = stage_key("dense", 2, {}, [])
    paths.checkpoints(KEY).rename(paths.checkpoints(other))
    assert opened(paths, other, on_event=events.append).load() is None
    assert "belongs to the key" in events[0]


def test_a_full_disk_keeps_the_save_before(
    checkpoint: Checkpoint, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    checkpoint.save({}, {"epoch": 1})
    with monkeypatch.context() as full:
        full.setattr(files, "_sync", fail)
        with pytest.raises(UserError, match=f"{paths.root} cannot be used: No space left on device"):
            checkpoint.save({}, {"epoch": 2})
    assert checkpoint.load() == ({}, {"epoch": 1})
    assert not any((paths.root / "tmp").iterdir())


def test_a_state_that_json_lacks_is_refused_by_name(checkpoint: Checkpoint) -> None:
    with pytest.raises(ValueError, match=r"generator is of type Tensor"):
        checkpoint.save({}, {"generator": torch.ones(1)})


def test_due_after_the_interval_since_the_start_or_the_last_save(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("pruneexp.cache.checkpoint.time.monotonic", lambda: clock[0])
    checkpoint = opened(paths, every=60.0)

    def due_at(now: float) -> bool:
        clock[0] = now
        return checkpoint.due()

    assert [due_at(now) for now in (159.9, 160.0, 170.0)] == [False, True, True]
    checkpoint.save({}, {})
    assert [due_at(now) for now in (171.0, 229.9, 230.0)] == [False, False, True]


def test_the_store_hands_out_checkpoints_and_forgets_them_with_the_result(tmp_path: Path) -> None:
    store = Store(tmp_path, checkpoint_every=0.0)
    epochs = []

    def make(checkpoint: Checkpoint) -> Artefact:
        found = checkpoint.load()
        epochs.append(0 if found is None else found[1]["epoch"])
        assert checkpoint.due()
        checkpoint.save({}, {"epoch": epochs[-1] + 1})
        if epochs[-1] < 2:
            raise KeyboardInterrupt
        return Artefact({}, {"epochs": list(epochs)})

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            store.produce(KEY, "dense", make)
    made, _ = store.produce(KEY, "dense", make)
    assert made.record == {"epochs": [0, 1, 2]}
    assert not Paths(tmp_path).checkpoints(KEY).exists()


def test_a_checkpoint_that_outlived_its_result_is_removed_when_the_store_is_next_opened(tmp_path: Path) -> None:
    store, paths = Store(tmp_path), Paths(tmp_path)
    store.produce(KEY, "dense", lambda _: Artefact({}, {}))
    opened(paths).save({}, {})
    assert Store(tmp_path).produce(KEY, "dense", lambda _: Artefact({}, {}))[1] is True
    assert not paths.checkpoints(KEY).exists()
