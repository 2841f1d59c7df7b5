"""A sweep killed (SIGKILL) at 50 moments of a seeded list, each time started again: nothing lost, nothing doubled."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pruneexp.cache.bundle import TENSORS, manifest, read
from pruneexp.cache.files import Paths
from pruneexp.tracking import default_uri
from pruneexp.tracking.board import TAG_PREFIX
from tests.contracts.composing import SMALL
from tests.contracts.jobs import numbers, runs, summaries
from tests.contracts.killing import Answer, Executioner, Moment, Order, Place, Side, executioner
from tests.contracts.records import fresh_store

#: As by default a job also renews summaries and views, which are places to be killed at too.
SWEEP = [[*SMALL, f"reg={reg}", "runtime.checkpoint_seconds=0", "runtime.dashboard=true"] for reg in ("l1", "l2")]
#: Kills per place, and whether both sides of it are moments of their own; the rest comes at random times.
PLACES: dict[Place, int] = {
    "checkpoint": 6,
    "artefact": 8,
    "run": 4,
    "batch": 6,
    "termination": 4,  # of two curves: points are written whole
    "point": 5,
    "curve": 3,
    "epoch": 2,
    "file": 6,
}
AT_RANDOM_TIMES = 6
SEED = 4


@pytest.fixture(scope="module")
def kill() -> Iterator[Executioner]:
    with executioner() as started:
        yield started


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, kill: Executioner) -> tuple[Path, Answer]:
    """A sweep that nobody interrupted, and what it came by."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, swept(folder, kill)


def swept(folder: Path, kill: Executioner, moment: Moment | None = None, seconds: float | None = None) -> Answer:
    if not (folder / "mlflow.db").exists():
        fresh_store(folder)
    return kill(Order(str(folder), SWEEP, moment, seconds))


def moments(counts: dict[str, int]) -> list[Moment]:
    """The seeded list; each place by its own share, without repetitions."""
    chosen, dice = list[Moment](), random.Random(SEED)
    for place, wanted in PLACES.items():
        sides: tuple[Side, ...] = ("before",) if place == "file" else ("before", "after")
        every = [Moment(place, number, side) for number in range(1, counts[place] + 1) for side in sides]
        chosen += dice.sample(every, wanted)
    return chosen


def stored(folder: Path) -> dict[str, str]:
    """Key and checksum of the tensors of every whole result; fails where one is damaged."""
    root = folder / ".pruneexp" / "store"
    found = {}
    for path in (root / "artefacts").glob("*/*"):
        read(path, path.name)
        found[path.name] = manifest(path, path.name)["files"][TENSORS]["sha256"]
    return found


def views(folder: Path) -> dict[str, str]:
    """The views that the experiment has, by their tag."""
    found = MlflowClient(default_uri(folder)).get_experiment_by_name("pruneexp")
    assert found is not None
    return {name: text for name, text in found.tags.items() if name.startswith(TAG_PREFIX)}


def killed(folder: Path, kill: Executioner, moment: Moment | float) -> str:
    """Leave a killed sweep in the folder; where it was killed."""
    if isinstance(moment, Moment):
        answer = swept(folder, kill, moment)
        assert answer.status == -9, f"{moment} was not reached: {(folder / 'log').read_text()}"
        return moment.place
    while swept(folder, kill, seconds=moment).status != -9:  # it was faster than the one that was timed
        shutil.rmtree(folder)
        moment /= 2
    return "time"


def check_equal(folder: Path, whole: Path) -> None:
    assert numbers(folder) == numbers(whole)
    points, curves = runs(folder), runs(folder, "curve")
    assert [run.info.status for run in points] == ["FINISHED"] * 4
    assert [run.info.status for run in curves] == ["FINISHED"] * 2
    assert {run.data.tags["mlflow.parentRunId"] for run in points} == {run.info.run_id for run in curves}
    assert summaries(folder) == summaries(whole)
    assert views(folder) == views(whole)
    assert stored(folder) == stored(whole)
    paths = Paths(folder / ".pruneexp" / "store")
    left = [path for place in paths.folders() for path in place.glob("*")]
    assert left == []
    assert "damaged" not in (folder / "log").read_text()


@pytest.mark.slow
def test_killed_anywhere_a_sweep_ends_as_if_nothing_had_happened(
    tmp_path: Path, kill: Executioner, whole: tuple[Path, Answer]
) -> None:
    reference, uninterrupted = whole
    assert uninterrupted.status == 0, (reference / "log").read_text()
    assert len(numbers(reference)) == 4
    assert [status for _, status, _ in summaries(reference)] == ["FINISHED"] * 6  # of four points and two curves
    assert len(views(reference)) > 0
    hit: Counter[str] = Counter()
    planned = moments(uninterrupted.counts)
    clock = random.Random(SEED)
    times = [clock.uniform(0.05, 0.9) * uninterrupted.seconds for _ in range(AT_RANDOM_TIMES)]
    everything: list[Moment | float] = [*planned, *times]
    for number, moment in enumerate(everything):
        folder = tmp_path / str(number)
        hit[killed(folder, kill, moment)] += 1
        again = swept(folder, kill)
        assert again.status == 0, f"after {moment}: {(folder / 'log').read_text()}"
        check_equal(folder, reference)
    print(f"kills: {dict(hit)}; places in one sweep: {uninterrupted.counts}")
    assert {place: hit[place] for place in PLACES} == PLACES
    assert hit.total() == 50
