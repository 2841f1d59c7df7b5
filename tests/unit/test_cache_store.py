"""The store within one process: what is put in comes out, bit for bit, and what is damaged never does."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from pruneexp.cache import bundle
from pruneexp.cache.bundle import MANIFEST, RECORD, TENSORS
from pruneexp.cache.files import Paths
from pruneexp.cache.identity import stage_key
from pruneexp.cache.store import Artefact, Checkpoint, Store
from pruneexp.errors import UserError

KEY = stage_key("dense", 1, {"lr": 0.1}, [])
OTHER = stage_key("dense", 1, {"lr": 0.2}, [])
RECORD_OF = {"top1": 93.5, "epochs": 2, "losses": [0.5, 0.25], "note": "ü"}


def an_artefact() -> Artefact:
    return Artefact({"fc2.weight": torch.arange(6.0).reshape(2, 3), "fc1.mask": torch.tensor([True, False])}, RECORD_OF)


def never(_: Checkpoint) -> NoReturn:
    raise AssertionError("computed again")


def everything_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture
def events() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, events: list[str]) -> Store:
    return Store(tmp_path / "a store", on_event=events.append)


@pytest.fixture
def filled(store: Store) -> Store:
    store.produce(KEY, "dense", lambda _: an_artefact())
    return store


def artefact_folder(store: Store) -> Path:
    return Paths(store.root).artefact(KEY)


def test_a_result_is_computed_once(store: Store, events: list[str]) -> None:
    assert (store.has(KEY), store.load(KEY), store.record(KEY)) == (False, None, None)
    made, hit = store.produce(KEY, "dense", lambda _: an_artefact())
    again, hit_again = Store(store.root).produce(KEY, "dense", never)
    assert (hit, hit_again) == (False, True)
    assert store.has(KEY)
    assert made.record == again.record == store.record(KEY) == RECORD_OF
    assert list(made.tensors) == list(again.tensors) == ["fc2.weight", "fc1.mask"]
    for name, tensor in an_artefact().tensors.items():
        assert torch.equal(made.tensors[name], tensor)
        assert torch.equal(again.tensors[name], tensor)
    assert events == []


def test_nothing_but_the_result_is_left_behind(filled: Store) -> None:
    folder = artefact_folder(filled).relative_to(filled.root)
    assert everything_below(filled.root) == [str(folder / name) for name in (MANIFEST, RECORD, TENSORS)]
    assert not filled.has(OTHER)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("name", [MANIFEST, RECORD, TENSORS])
@pytest.mark.parametrize("damage", [flip_a_bit, truncate, Path.unlink, lambda path: path.write_bytes(b"")])
def test_damage_is_noticed_said_and_mended(
    filled: Store, events: list[str], name: str, damage: Callable[[Path], None]
) -> None:
    damage(artefact_folder(filled) / name)
    assert filled.load(KEY) is None
    assert events == []

    def make(_: Checkpoint) -> Artefact:
        assert not filled.has(KEY)
        return an_artefact()

    _, hit = filled.produce(KEY, "dense", make)
    assert not hit
    assert filled.load(KEY) is not None
    assert len(events) == 1
    assert KEY[:8] in events[0]
    assert name in events[0]
    assert events[0].endswith("it is removed and computed again.")


@pytest.mark.parametrize("name", [MANIFEST, RECORD, TENSORS])
def test_no_single_byte_can_change_unnoticed(filled: Store, name: str) -> None:
    folder = artefact_folder(filled)
    good = (folder / name).read_bytes()
    for place in range(len(good)):
        (folder / name).write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(bundle.DamageError):
            bundle.read(folder, KEY)
    (folder / name).write_bytes(good)
    assert bundle.read(folder, KEY) is not None


def test_the_record_is_read_without_the_tensors_and_verified(filled: Store) -> None:
    folder = artefact_folder(filled)
    flip_a_bit(folder / TENSORS)
    assert filled.record(KEY) == RECORD_OF
    flip_a_bit(folder / RECORD)
    assert filled.record(KEY) is None
    with pytest.raises(bundle.DamageError, match=RECORD):
        bundle.read_record(folder, KEY)


def test_missing_and_truncated_files_are_not_planned_with(filled: Store) -> None:
    folder = artefact_folder(filled)
    truncate(folder / TENSORS)
    assert not filled.has(KEY)
    assert folder.exists()  # a plan moves nothing


def test_a_result_under_the_wrong_key_is_not_used(filled: Store, events: list[str]) -> None:
    target = Paths(filled.root).artefact(OTHER)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(artefact_folder(filled), target)
    assert filled.load(OTHER) is None
    assert filled.produce(OTHER, "dense", lambda _: an_artefact())[1] is False
    assert f"belongs to the key {KEY[:8]}" in events[0]


@pytest.mark.parametrize("key", ["", "dense", "../" + KEY[3:], KEY.upper(), KEY + "0", KEY[:-1] + "\n"])
def test_only_keys_become_file_names(store: Store, key: str) -> None:
    for use in (store.has, store.load, store.record, lambda key: store.produce(key, "dense", never)):
        with pytest.raises(ValueError, match="64 lower-case hexadecimal digits"):
            use(key)


def below_a_file(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file" / "store"


def a_file(folder: Path) -> Path:
    (folder / "file").write_text("")
    return folder / "file"


@pytest.mark.parametrize("place", [below_a_file, a_file, lambda _: Path("/proc/no such folder/store")])
def test_an_unusable_folder_is_said_at_once(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    root = place(tmp_path)
    with pytest.raises(UserError) as caught:
        Store(root)
    assert str(root) in str(caught.value)
    assert "runtime.store=FOLDER" in str(caught.value)


def test_a_folder_that_was_there_but_is_read_only_is_said_at_once(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("pruneexp.shared_files.tempfile.TemporaryFile", refuse)  # root may write what is read-only
    with pytest.raises(UserError, match=r"Read-only file system; mend it, free some space there or"):
        Store(filled.root)


def full_for_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, *_: object, **__: object) -> NoReturn:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_text", fail)


def full_for_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Mapping[str, Tensor], path: Path, __: Mapping[str, str]) -> NoReturn:
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(safetensors.torch, "save_file", fail)


def full_for_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "rename", fail)


@pytest.mark.parametrize("fill", [full_for_text, full_for_tensors, full_for_names])
def test_a_full_disk_is_one_sentence_and_loses_nothing(
    filled: Store, monkeypatch: pytest.MonkeyPatch, fill: Callable[[pytest.MonkeyPatch], None]
) -> None:
    def make(checkpoint: Checkpoint) -> Artefact:
        found = checkpoint.load()
        if found is None:
            checkpoint.save({"w": torch.ones(2)}, {"epoch": 5})
            fill(monkeypatch)
            return an_artefact()
        return Artefact(found[0], found[1])

    with pytest.raises(UserError) as caught:
        filled.produce(OTHER, "dense", make)
    sentence = str(caught.value)
    assert str(filled.root) in sentence
    assert "No space left on device" in sentence
    assert "; mend it, free some space there or choose another one with runtime.store=" in sentence
    assert not any((filled.root / "tmp").iterdir())
    assert filled.load(KEY) is not None
    monkeypatch.undo()
    resumed, hit = filled.produce(OTHER, "dense", make)
    assert (resumed.record, hit) == ({"epoch": 5}, False)


def test_what_make_raises_goes_through_and_the_next_attempt_may_succeed(store: Store) -> None:
    with pytest.raises(OSError, match="the data are gone"):  # not the store's fault, so not the store's sentence
        store.produce(KEY, "dense", lambda _: (_ for _ in ()).throw(OSError("the data are gone")))
    assert everything_below(store.root) == []
    assert store.produce(KEY, "dense", lambda _: an_artefact())[1] is False


def test_a_result_may_produce_the_results_it_builds_upon(store: Store) -> None:
    def make(_: Checkpoint) -> Artefact:
        parent, _hit = store.produce(OTHER, "dense", lambda _: an_artefact())
        return Artefact({"w": parent.tensors["fc2.weight"] * 2}, {})

    child, _ = store.produce(KEY, "retrain", make)
    assert torch.equal(child.tensors["w"], torch.arange(6.0).reshape(2, 3) * 2)
    assert store.has(OTHER)


def test_what_a_killed_process_was_writing_is_removed_but_not_what_a_living_one_is(filled: Store) -> None:
    paths = Paths(filled.root)

    def make(_: Checkpoint) -> Artefact:
        for key in (KEY, OTHER):
            paths.draft(key).mkdir()
            (paths.draft(key) / "half").write_text("")
        Store(filled.root)
        assert [path.name for path in (paths.root / "tmp").iterdir()] == [KEY]
        raise InterruptedError

    paths.artefact(KEY).rename(filled.root / "away")
    with pytest.raises(InterruptedError):
        filled.produce(KEY, "dense", make)
    Store(filled.root)
    assert everything_below(filled.root / "tmp") == everything_below(filled.root / "locks") == []


def test_checkpoint_interval_is_checked(tmp_path: Path) -> None:
    for bad in (-1.0, math.nan):
        with pytest.raises(ValueError, match="checkpoint_every must be 0 seconds or more"):
            Store(tmp_path, checkpoint_every=bad)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def test_the_folder_is_absolute_and_may_be_given_from_home(home: Path) -> None:
    assert Store(Path("~/kept")).root == home / "kept"
    assert Store(Path("kept")).root == home.parent / "kept"
