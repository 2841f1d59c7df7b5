"""``python -m pruneexp.store``: nothing damaged goes unnamed, nothing that is needed goes at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from pruneexp.cache import holds
from pruneexp.cache.checkpoint import Checkpoint
from pruneexp.cache.identity import stage_key
from pruneexp.cache.inventory import damages, entries
from pruneexp.cache.paths import Paths
from pruneexp.cache.store import Artefact, Store
from pruneexp.store.__main__ import main
from pruneexp.tracking import Parent, Tracker, references
from pruneexp.tracking.letters import of_point
from pruneexp.tracking.spool import Spool
from tests.contracts.records import CURVE, curve_of, fresh_store, point

DENSE, FIRST, RETRAINED, MASK, FINAL, OTHER = (stage_key(name, 1, {}, []) for name in "abcdef")
#: What each result was built upon: two rounds of pruning and retraining, and one that nobody asked for.
BUILT = {
    DENSE: ("dense", ()),
    FIRST: ("mask", (DENSE,)),
    RETRAINED: ("retrain", (DENSE, FIRST)),
    MASK: ("mask", (RETRAINED, FIRST)),
    FINAL: ("retrain", (RETRAINED, MASK)),
    OTHER: ("dense", ()),
}
#: Longer ago than any grace asked for here.
LONG_AGO = time.time() - 1e6


class Interrupted(BaseException):
    """Ends a stage after its checkpoint."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    for key, (kind, parents) in BUILT.items():
        made.produce(key, kind, lambda _: Artefact({"w": torch.arange(100)}, {}), parents)
    return made


def unfinished(store: Store, key: str) -> None:
    def make(checkpoint: Checkpoint) -> Artefact:
        checkpoint.save({"w": torch.ones(50)}, {"epoch": 1})
        raise Interrupted

    with pytest.raises(Interrupted):
        store.produce(key, "retrain", make)


def aged(store: Store, seconds: float = LONG_AGO) -> None:
    for path in store.root.rglob("*"):
        os.utime(path, (seconds, seconds))


def recorded(folder: Path, store: Store, *, dense: str = "d", mask: str = "m", final: str = "f") -> str:
    """URI of a tracking store with one point that refers to these results."""
    uri = fresh_store(folder)
    tracker = Tracker(uri, "first")
    one = point("p")
    identity = replace(one.identity, dense_key=dense, mask_key=mask, final_key=final)
    tracker.log_point(curve_of(tracker), replace(one, identity=identity))
    store.refer(uri, folder / "spool")
    return uri


def keys_of(store: Store) -> set[str]:
    return {path.name for path in (store.root / "artefacts").glob("*/*")}


def gc(store: Store, *arguments: str) -> int:
    return main(["gc", "--store", str(store.root), *arguments])


def test_a_byte_changed_in_any_file_is_found(tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    unfinished(store, stage_key("g", 1, {}, []))
    store.refer("sqlite:////x/mlflow.db", tmp_path)
    where = ["verify", "--store", str(store.root)]
    assert main(where) == 0
    assert capsys.readouterr().out.startswith("7 folders, ")
    files = [path for path in store.root.rglob("*") if path.is_file()]
    assert len(files) == 3 * 7 + 1
    for path in files:
        good = path.read_bytes()
        for place in (0, len(good) // 2, len(good) - 1):
            path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            assert main(where) == 1
            named, count, *_ = capsys.readouterr().out.splitlines()
            assert named.startswith((f"damaged: {path.parent}: ", f"damaged: {path} "))
            assert count.endswith(": 1 damaged")
        path.write_bytes(good)
    (files[0].parent / "extra").write_text("")
    assert main(where) == 1


def test_what_a_running_job_took_away_meanwhile_is_no_damage(store: Store) -> None:
    unfinished(store, stage_key("g", 1, {}, []))
    paths = Paths(store.root)
    found = entries(paths)
    shutil.rmtree(paths.work())
    for artefact in (store.root / "artefacts").glob("*/*"):
        shutil.rmtree(artefact)
    assert list(damages(paths, found)) == []
    assert main(["ls", "--store", str(store.root)]) == 0


def test_sizes_are_shown_by_kind(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    unfinished(store, stage_key("g", 1, {}, []))
    assert main(["ls", "--store", str(store.root)]) == 0
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()[1:]}
    assert {kind: int(columns[0]) for kind, columns in lines.items()} == {
        "checkpoint": 1,
        "dense": 2,
        "mask": 2,
        "retrain": 2,
        "all": 7,
    }
    total = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
    assert lines["all"][1:] == [f"{total / 1000:.3g}", "kB"]


def test_what_records_refer_to_stays_with_all_it_was_built_upon(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(tmp_path, store, dense=DENSE, mask=MASK, final=FINAL)
    unfinished(store, stage_key("g", 1, {}, []))
    aged(store)
    assert gc(store, "--grace", "1") == 0
    assert keys_of(store) == BUILT.keys()  # shown first
    assert "nothing was removed; the same command with --delete frees" in capsys.readouterr().out
    assert gc(store, "--grace", "1", "--delete") == 0
    assert keys_of(store) == BUILT.keys() - {OTHER}
    assert not any(Paths(store.root).work().iterdir())
    assert not any(Paths(store.root).drafts().iterdir())


def test_what_is_young_held_computed_or_from_the_future_stays(tmp_path: Path, store: Store) -> None:
    recorded(tmp_path, store)
    aged(store)
    os.utime(Paths(store.root).artefact(FIRST) / "record.json")  # just now
    aged_future = time.time() + 1e6  # as after a clock that was set back
    os.utime(Paths(store.root).artefact(MASK), (aged_future, aged_future))
    store.hold([FINAL])
    with FileLock(Paths(store.root).lock(OTHER)):
        assert gc(store, "--grace", "1", "--delete") == 0
    # FINAL is held, and so is all that it was built upon; nobody holds OTHER but somebody computes it.
    assert keys_of(store) == BUILT.keys()
    del store._holding
    store._holding = holds.Holding(Paths(store.root).holds())
    assert gc(store, "--grace", "1", "--delete") == 0
    assert keys_of(store) == {FIRST, MASK}


def test_a_dead_process_holds_nothing(store: Store) -> None:
    program = (
        "import os, sys; from pathlib import Path; from pruneexp.cache.holds import Holding\n"
        "held = Holding(Path(sys.argv[1])); held.add([sys.argv[2]]); print(os.listdir(sys.argv[1]), flush=True)\n"
        "os._exit(9)"
    )
    folder = Paths(store.root).holds()
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder), FINAL], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.count("'")) == (9, 2)
    assert holds.held(folder) == set()
    assert not any(folder.iterdir())


def test_records_that_wait_are_references_too(tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    uri, one = recorded(tmp_path, store), point("q")
    letter = of_point(
        Parent("curve", "c", "a curve", {**CURVE, "dense_key": OTHER}, {}, "", {}),
        replace(one, identity=replace(one.identity, dense_key=OTHER)),
        {},
        {},
    )
    spool = Spool(tmp_path / "spool", uri, "first")
    spool.add(letter)
    aged(store)
    assert gc(store, "--grace", "1", "--delete") == 0
    assert keys_of(store) == {OTHER}
    (path,) = spool.files()
    path.write_text("{}")
    for _ in range(2):  # a look changes nothing
        assert gc(store, "--grace", "1", "--delete") == 2
        assert keys_of(store) == {OTHER}
    list(spool.letters(lambda _: None))  # as who delivers does, who sets it aside
    assert spool.files() == []
    assert gc(store, "--grace", "1", "--delete") == 2
    (aside,) = spool.damaged()
    assert f"{aside} is damaged: delete it when its command" in capsys.readouterr().err
    aside.unlink()
    assert gc(store, "--grace", "1", "--delete") == 0
    assert OTHER not in keys_of(store)


def test_results_that_do_not_say_what_they_were_built_upon_stay_together(tmp_path: Path, store: Store) -> None:
    silent, needed, known = (stage_key(name, 1, {}, []) for name in ("old", "older", "new"))
    for key in (silent, needed):
        store.produce(key, "retrain", lambda _: Artefact({}, {}))
    store.produce(known, "dense", lambda _: Artefact({}, {}), ())
    recorded(tmp_path, store, final=silent)
    aged(store)
    assert gc(store, "--grace", "1", "--delete") == 0
    assert keys_of(store) == {silent, needed}


def test_nothing_goes_unless_every_store_of_records_was_asked(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    aged(store)
    remove = ("--grace", "1", "--delete")
    assert gc(store, *remove) == 2
    assert "No store of records is known" in capsys.readouterr().err
    gone = f"sqlite:///{tmp_path}/gone.db"
    store.refer(gone, tmp_path / "spool")
    assert gc(store, *remove) == 2
    assert f"--forget {gone}" in capsys.readouterr().err
    store.refer("postgresql://***@127.0.0.1:9/db", tmp_path / "spool")
    uri = recorded(tmp_path, store, dense=DENSE)
    assert gc(store, *remove, "--tracking-uri", uri, "--forget", gone) == 2
    assert "repeat it with its password" in capsys.readouterr().err
    assert keys_of(store) == BUILT.keys()
    assert gc(store, *remove, "--forget", "postgresql://me:pw@127.0.0.1:9/db") == 0
    assert keys_of(store) == {DENSE}


def test_a_damaged_note_of_a_store_of_records_is_one_sentence(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.refer(f"sqlite:///{tmp_path}/gone.db", tmp_path / "spool")
    (note,) = Paths(store.root).referrers().glob("*.json")
    note.write_text("{}")
    for arguments in ((), ("--forget", "sqlite:///gone.db")):
        assert gc(store, *arguments) == 2
        assert f"{note} is not what was written, so nobody knows which store" in capsys.readouterr().err


def test_a_job_that_ends_while_the_records_are_read_has_kept_its_results(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = recorded(tmp_path, store)
    aged(store)
    original, job = references.recorded, [holds.Holding(Paths(store.root).holds())]
    job[0].add([OTHER])

    def ended_meanwhile(asked: str) -> set[str]:
        found = original(asked)
        job.clear()  # it recorded a point right after its experiment was read
        return found

    monkeypatch.setattr("pruneexp.store.tidying.recorded", ended_meanwhile)
    assert gc(store, "--grace", "1", "--delete", "--tracking-uri", uri) == 0
    assert keys_of(store) == {OTHER}


def test_listing_loads_no_torch(store: Store) -> None:
    program = (
        "import sys; from pruneexp.store.__main__ import main; main(sys.argv[1:]); "
        "sys.exit(len({'torch', 'mlflow'} & set(sys.modules)))"
    )
    for name in ("ls", "verify"):
        command = [sys.executable, "-c", program, name, "--store", str(store.root)]
        assert subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_whoever_reads_no_further_is_told_of_no_trouble(store: Store) -> None:
    ours, theirs = os.pipe()
    os.close(ours)  # as `head` does when it has seen enough
    command = [sys.executable, "-u", "-m", "pruneexp.store", "ls", "--store", str(store.root)]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, "")
