"""The store among processes: computed once by any number of them, and whole after a kill at any moment."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import torch

from pruneexp.cache.bundle import MANIFEST, RECORD, TENSORS
from pruneexp.cache.checkpoint import Checkpoint
from pruneexp.cache.files import Paths
from pruneexp.cache.identity import stage_key
from pruneexp.cache.inventory import entries, remove, unused
from pruneexp.cache.store import Artefact, Store
from pruneexp.errors import UserError

KEY = stage_key("dense", 1, {}, [])
#: One process that has imported torch, and forks; it runs no threads, unlike the one that runs the tests.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pruneexp.cache.store", "pruneexp.cache.tensors"])
EPOCHS = 2


def train(checkpoint: Checkpoint) -> Artefact:
    """A training in small: each epoch depends on the last one and on a generator's state."""
    generator, weight, start = torch.Generator().manual_seed(7), torch.zeros(1000), 0
    found = checkpoint.load()
    if found is not None:
        generator.set_state(found[0]["generator"])
        weight, start = found[0]["weight"], found[1]["epoch"]
    for epoch in range(start, EPOCHS):
        weight = weight * 0.5 + torch.randn(1000, generator=generator)
        checkpoint.save({"weight": weight, "generator": generator.get_state()}, {"epoch": epoch + 1})
    return Artefact({"weight": weight}, {"epochs": EPOCHS})


def started(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    process = PROCESSES.Process(target=target, args=arguments)
    process.start()
    return process


def ended(process: BaseProcess) -> int | None:
    process.join(60)
    return process.exitcode


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def note(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    made, _ = Store(tmp_path_factory.mktemp("uninterrupted")).produce(KEY, "dense", train)
    return made.tensors["weight"]


# --- computed once ----------------------------------------------------------------------------------------------------


def produce_beside(others: int, root: Path, log: Path) -> None:
    """Produce, but when computing, only after that many other processes have said that they wait."""

    def make(_: Checkpoint) -> Artefact:
        note(log, "computed")
        wait_until(lambda: log.read_text().count("waiting for it") >= others)
        return Artefact({"w": torch.arange(3)}, {"by": os.getpid()})

    store = Store(root, on_event=lambda event: note(log, event))
    made, hit = store.produce(KEY, "dense", make)
    note(log, f"{'found' if hit else 'made'} {made.record['by']} {made.tensors['w'].tolist()}")


def test_of_several_processes_one_computes_and_the_others_wait_and_say_so(tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [started(produce_beside, 3, tmp_path / "store", log) for _ in range(4)]
    assert [ended(process) for process in processes] == [0] * 4
    lines = log.read_text().splitlines()
    assert lines.count("computed") == 1
    (maker,) = [line.split()[1] for line in lines if line.startswith("made")]
    assert sorted(line for line in lines if line.startswith("found")) == [f"found {maker} [0, 1, 2]"] * 3
    waits = [line for line in lines if line.startswith("Another process is computing")]
    assert waits.count(f"Another process is computing dense {KEY[:8]}: waiting for it.") == len(waits) == 3
    assert not any((tmp_path / "store" / "locks").iterdir())


def take_turns(root: Path, turns: int) -> None:
    store, inside = Store(root), root / "inside"

    def make(_: Checkpoint) -> Artefact:
        os.close(os.open(inside, os.O_CREAT | os.O_EXCL))  # fails where another process is inside as well
        note(root / "turns", "turn")
        inside.unlink()
        raise InterruptedError  # so that the next one computes, too

    for _ in range(turns):
        with pytest.raises(InterruptedError):
            store.produce(KEY, "dense", make)


def test_removing_lock_files_never_lets_two_in(tmp_path: Path) -> None:
    processes = [started(take_turns, tmp_path, 30) for _ in range(4)]
    assert [ended(process) for process in processes] == [0] * 4
    assert (tmp_path / "turns").read_text().count("turn") == 120


def stall(root: Path) -> None:
    def make(_: Checkpoint) -> Artefact:
        (root / "stalling").touch()
        time.sleep(60)
        raise AssertionError("not killed")

    Store(root).produce(KEY, "dense", make)


def test_the_lock_of_a_killed_process_dies_with_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stalled = started(stall, tmp_path)
    wait_until((tmp_path / "stalling").exists)
    waiting = started(produce_beside, 0, tmp_path, log)
    wait_until(log.exists)
    stalled.kill()
    assert ended(waiting) == 0
    lines = log.read_text().splitlines()
    assert lines[0].startswith("Another process is computing dense")
    assert lines[1] == "computed"


def collect(root: Path) -> None:
    paths = Paths(root)
    remove(paths, unused(entries(paths), 0.0))


def test_what_another_process_collects_is_found_whole_or_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # else it takes seconds
    keys, events = [stage_key("mask", version, {}, []) for version in range(100)], list[str]()
    store = Store(tmp_path, on_event=events.append)

    def make(key: str, _: Checkpoint) -> Artefact:
        return Artefact({}, {"of": key})

    def hits() -> list[bool]:
        found = [store.produce(key, "mask", partial(make, key)) for key in keys]
        assert [made.record["of"] for made, _ in found] == keys
        return [hit for _, hit in found]

    assert not any(hits())
    collector = started(collect, tmp_path)
    wait_until(lambda: len(list(tmp_path.glob("artefacts/*/*"))) < len(keys))
    meanwhile = hits()
    assert ended(collector) == 0
    assert not all([*meanwhile, *hits()])  # it took what it had found unused, though all is used meanwhile
    assert events == []


# --- killed at any moment ---------------------------------------------------------------------------------------------


def produce_until(root: Path, moment: int) -> None:
    """Produce, and die at the given one of the moments at which Python touches a file or folder of the store."""
    left = moment

    def die(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        touched = event in {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"}
        if touched and str(arguments[0]).startswith(str(root)):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    store = Store(root)
    sys.addaudithook(die)
    store.produce(KEY, "dense", train)


def kill_at_every_moment(folder: Path) -> None:
    """One store per moment, until there is no such moment any more; forked, as starting anew takes seconds."""
    for moment in range(1000):
        child = os.fork()
        if child == 0:
            produce_until(folder / str(moment), moment)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        note(folder / "exits", str(os.waitstatus_to_exitcode(status)))
        if status == 0:
            break


def test_killed_at_any_moment_the_next_run_ends_as_if_nothing_had_happened(
    tmp_path: Path, uninterrupted: torch.Tensor
) -> None:
    assert ended(started(kill_at_every_moment, tmp_path)) == 0
    *killed, whole = map(int, (tmp_path / "exits").read_text().split())
    assert (set(killed), whole) == ({-signal.SIGKILL}, 0)
    assert len(killed) > 30
    for moment in range(len(killed) + 1):
        root, events = tmp_path / str(moment), list[str]()
        store = Store(root, on_event=events.append)
        was_there = store.has(KEY)
        made, hit = store.produce(KEY, "dense", train)
        assert hit is was_there
        assert torch.equal(made.tensors["weight"], uninterrupted)
        assert made.record == {"epochs": EPOCHS}
        assert events == []  # nothing half-written was ever seen
        assert sorted(path.name for path in root.rglob("*") if path.is_file()) == [MANIFEST, RECORD, TENSORS]


def kill_in_the_middle_of_writing(root: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # the kernel ends the process within write()
    Store(root).produce(KEY, "dense", lambda _: Artefact({"w": torch.zeros(100_000)}, {}))


def test_killed_within_a_write_nothing_half_remains(tmp_path: Path) -> None:
    assert ended(started(kill_in_the_middle_of_writing, tmp_path)) == -signal.SIGXFSZ
    assert any(path.is_file() for path in (tmp_path / "tmp").rglob("*"))  # it was in the middle
    events: list[str] = []
    store = Store(tmp_path, on_event=events.append)
    assert not any((tmp_path / "tmp").iterdir())
    assert (store.has(KEY), store.load(KEY), events) == (False, None, [])


# --- a disk that refuses in the middle --------------------------------------------------------------------------------


def fill_the_disk(root: Path, log: Path) -> None:
    def make(checkpoint: Checkpoint) -> Artefact:
        checkpoint.save({}, {"epoch": 3})
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        return Artefact({"w": torch.zeros(100_000)}, {})

    try:
        Store(root).produce(KEY, "dense", make)
    except UserError as error:
        note(log, str(error))


@pytest.fixture
def refused(tmp_path: Path) -> tuple[Path, str]:
    root, log = tmp_path / "store", tmp_path / "log"
    assert ended(started(fill_the_disk, root, log)) == 0
    return root, log.read_text()


def test_a_write_that_the_system_refuses_is_one_sentence_and_keeps_the_checkpoint(refused: tuple[Path, str]) -> None:
    root, sentence = refused
    assert sentence.count("\n") == 1
    assert f"The result store {root} cannot be used: " in sentence
    assert "File too large" in sentence
    assert "; mend it, free some space there or choose another one" in sentence
    assert [path.name for path in root.rglob("*") if path.is_dir() and path.parent == root / "tmp"] == []
    states: list[Any] = []

    def resume(checkpoint: Checkpoint) -> Artefact:
        states.append(checkpoint.load())
        return Artefact({}, {})

    Store(root).produce(KEY, "dense", resume)
    assert states == [({}, {"epoch": 3})]
