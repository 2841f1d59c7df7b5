"""``python -m pruneexp.store``: what it shows, and that nothing that is used goes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from pruneexp.cache.bundle import MANIFEST
from pruneexp.cache.checkpoint import Checkpoint
from pruneexp.cache.files import Paths
from pruneexp.cache.identity import stage_key
from pruneexp.cache.inventory import entries, remove, unused
from pruneexp.cache.store import Artefact, Store
from pruneexp.store.__main__ import main

DENSE, MASK, RETRAINED, SCAN, POINT, CURVE = (stage_key(name, 1, {}, []) for name in "abcdef")
UNFINISHED = stage_key("unfinished", 1, {}, [])
#: One result of some kinds.
BUILT = {DENSE: "dense", MASK: "mask", RETRAINED: "retrain", SCAN: "scan", POINT: "point", CURVE: "curve"}
#: What gc may take of these.
STAGES = {DENSE, MASK, RETRAINED}


class Interrupted(BaseException):
    """Ends a stage after its checkpoint."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    for key, kind in BUILT.items():
        made.produce(key, kind, lambda _: Artefact({"w": torch.arange(100)}, {}))
    return made


def unfinished(store: Store, key: str = UNFINISHED) -> None:
    def make(checkpoint: Checkpoint) -> Artefact:
        checkpoint.save({"w": torch.ones(50)}, {"epoch": 1})
        raise Interrupted

    with pytest.raises(Interrupted):
        store.produce(key, "retrain", make)


def aged(store: Store, days: float = 100) -> None:
    """As if nothing in the store had been used for so many days."""
    then = time.time() - 86400 * days
    for path in store.root.rglob("*"):
        os.utime(path, (then, then))


def keys_of(store: Store) -> set[str]:
    return {path.name for path in (store.root / "artefacts").glob("*/*")}


def gc(store: Store, *arguments: str) -> int:
    return main(["gc", "--store", str(store.root), *arguments])


def test_sizes_are_shown_by_kind(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    unfinished(store)
    assert main(["ls", "--store", str(store.root)]) == 0
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()[1:]}
    assert {kind: int(columns[0]) for kind, columns in lines.items()} == {
        "checkpoint": 1,
        **dict.fromkeys(BUILT.values(), 1),
        "all": 7,
    }
    total = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
    assert lines["all"][1:] == [f"{total / 1000:.1f}", "kB"]


def test_what_nobody_has_used_goes_when_it_is_asked_for_twice(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    unfinished(store)
    aged(store)
    assert gc(store) == 0
    assert keys_of(store) == BUILT.keys()  # shown first
    shown = capsys.readouterr().out
    assert [line.split()[:2] for line in shown.partition("may go:")[2].splitlines()[1:-1]] == [
        ["checkpoint", "1"],
        ["dense", "1"],
        ["mask", "1"],
        ["retrain", "1"],
        ["all", "4"],
    ]
    assert "nothing was removed; the same command with --delete frees" in shown
    assert gc(store, "--delete") == 0
    assert keys_of(store) == BUILT.keys() - STAGES  # points, curves and scans are what records are written from
    for folder in Paths(store.root).folders():
        assert not any(folder.iterdir())


@pytest.mark.parametrize(
    ("age", "days", "goes"),
    [
        ("30d", 29.9, False),
        ("30d", 30.1, True),
        ("12h", 0.49, False),
        ("12h", 0.51, True),
        ("90m", 0.06, False),  # 86.4 minutes
        ("90m", 0.07, True),  # 100.8 minutes
        ("1.5d", 1.49, False),
        ("1.5d", 1.51, True),
    ],
)
def test_ages_are_told_in_days_hours_or_minutes(store: Store, age: str, days: float, goes: bool) -> None:
    aged(store, days)
    assert gc(store, "--unused-for", age, "--delete") == 0
    assert keys_of(store) == (BUILT.keys() - STAGES if goes else BUILT.keys())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--unused-for", "30"), "30 is no number of days, hours or minutes such as 30d, 12h or 90m"),
        (("--unused-for", "-1d"), "expected one argument"),
        (("--unused-for", "2w"), "2w is no number of days"),
        (("--grace", "1"), "--grace: no such option"),
    ],
)
def test_what_is_no_age_and_no_option_is_told(
    store: Store, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], sentence: str
) -> None:
    aged(store)
    assert gc(store, "--delete", *arguments) == 2
    assert sentence in capsys.readouterr().err
    assert keys_of(store) == BUILT.keys()


def test_what_is_used_computed_or_from_the_future_stays(store: Store) -> None:
    unfinished(store)
    aged(store)
    aged_future = time.time() + 1e6  # as after a clock that was set back
    os.utime(Paths(store.root).artefact(MASK), (aged_future, aged_future))
    job = Store(store.root)
    assert (job.has(DENSE), job.has(UNFINISHED)) == (True, False)  # planned with; its checkpoint is gone on from
    with FileLock(Paths(store.root).lock(RETRAINED)):
        assert gc(store, "--delete") == 0
    assert keys_of(store) == BUILT.keys()
    assert Paths(store.root).checkpoints(UNFINISHED).exists()
    assert gc(store, "--delete") == 0
    assert keys_of(store) == BUILT.keys() - {RETRAINED}


def test_what_is_gone_since_gc_looked_is_passed_over(store: Store) -> None:
    aged(store)
    paths = Paths(store.root)
    going = unused(entries(paths), 0.0)
    shutil.rmtree(paths.artefact(RETRAINED))
    assert {entry.key for entry in remove(paths, going)} == {DENSE, MASK}
    assert keys_of(store) == BUILT.keys() - STAGES


def test_damaged_results_go_too(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    (Paths(store.root).artefact(RETRAINED) / MANIFEST).unlink()
    aged(store)
    assert {entry.kind for entry in entries(Paths(store.root))} == {*BUILT.values(), "damaged"} - {"retrain"}
    assert gc(store, "--delete") == 0
    removed = capsys.readouterr().out.partition("removed:")[2].splitlines()[1:]
    assert [line.split()[:2] for line in removed] == [["damaged", "1"], ["dense", "1"], ["mask", "1"], ["all", "3"]]
    assert {entry.kind for entry in entries(Paths(store.root))} == {"scan", "point", "curve"}


def test_nothing_but_tensors_needs_torch(store: Store) -> None:
    program = (
        "import sys; from pruneexp.store.__main__ import main; from pruneexp.cache.store import Store\n"
        "root, key = sys.argv[1:]; store = Store(root)\n"
        "assert store.has(key) and store.record(key) == {}\n"
        "for command in (['ls'], ['gc', '--delete', '--unused-for', '1d']):\n"
        "    assert main([*command, '--store', root]) == 0\n"
        "assert not {'torch', 'mlflow'} & set(sys.modules)\n"
        "store.load(key)\n"
        "assert 'torch' in sys.modules"
    )
    aged(store)
    command = [sys.executable, "-c", program, str(store.root), DENSE]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert keys_of(store) == BUILT.keys() - {MASK, RETRAINED}


def test_whoever_reads_no_further_is_told_of_no_trouble(store: Store) -> None:
    ours, theirs = os.pipe()
    os.close(ours)  # as `head` does when it has seen enough
    command = [sys.executable, "-u", "-m", "pruneexp.store", "ls", "--store", str(store.root)]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, "")
