"""Machines that record the same at one server at the same moment: one run of each thing is left, and it is whole."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import pytest
from mlflow.exceptions import MlflowException

from pruneexp import schema
from pruneexp.tracking import Tracker, bulk, contention
from pruneexp.tracking.runs import Runs
from tests.contracts.points import point as a_point
from tests.contracts.records import curve_of, fresh_store, log_point, point, points, runs, written
from tests.contracts.tracking_server import tracking_server

MACHINE = """
import sys, time
from pathlib import Path
from tests.contracts.records import log_point, curve_of, point, written
from pruneexp.tracking import Tracker

address, here, name, total = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
tracker = Tracker(address, "shared")
for number in range(6):
    (here / f"{name}-{number}").touch()
    while len(list(here.glob(f"*-{number}"))) < total:
        time.sleep(0.001)
    curve = written(lambda: curve_of(tracker, f"curve {number}"))
    for budget in range(3):
        written(lambda: log_point(tracker, curve, point(f"p {number} {budget}")))
    written(lambda: tracker.update(curve, "FINISHED"))
"""


class Machine(Tracker):
    """A tracker whose lock nobody else sees, as if on a machine of its own."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri, "shared")
        self._runs.lock, self._runs.shared = nullcontext(), True  # type: ignore[assignment]


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Machine, Machine]:
    monkeypatch.setattr(contention, "SEEN_SECONDS", 0.0)
    uri = fresh_store(tmp_path)
    return Machine(uri), Machine(uri)


def meanwhile(monkeypatch: pytest.MonkeyPatch, of: Machine | ModuleType, name: str, act: Callable[[], object]) -> None:
    """Have ``act`` done once, just before a machine calls this method of its runs, or this function of a module."""
    owner = of._runs if isinstance(of, Machine) else of
    original = getattr(owner, name)
    acted: list[bool] = []

    def called(*arguments: object, **named: object) -> object:
        if not acted:
            acted.append(True)
            act()
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, called)


@pytest.mark.parametrize("moment", ["create", "fill", "end"])
def test_a_point_recorded_while_another_machine_is_about_to(
    machines: tuple[Machine, Machine], moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = machines
    curve = curve_of(here)
    meanwhile(monkeypatch, here, moment, lambda: log_point(there, curve, point("p")))
    written(lambda: log_point(here, curve, point("p")))
    (left,) = points(here)
    assert left.info.status == "FINISHED"
    assert schema.unflatten(schema.PointResult, left.data.metrics) == point("p").result
    assert log_point(here, curve, point("p")) is None


def test_two_who_withdraw_each_others_run_bring_one_back(
    machines: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = machines
    curve = curve_of(here)
    monkeypatch.setattr(there._runs, "end", lambda run, _: there._runs.client.delete_run(run.info.run_id))
    settled: list[bool] = []

    def withdraw(runs: Runs, where: Mapping[str, str], own: object) -> bool:
        (run,) = runs.find(where)
        runs.client.delete_run(run.info.run_id)  # as the other does that saw it unfinished
        settled.append(original(runs, where, run))
        return settled[-1]

    original = contention.settle
    monkeypatch.setattr(contention, "settle", withdraw)
    assert log_point(here, curve, point("p")) is not None
    assert settled == [True]
    assert [run.info.status for run in points(here)] == ["FINISHED"]


def test_a_curve_made_at_the_same_moment_is_one_curve(
    machines: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = machines
    made: Mapping[str, list[str]] = {"there": []}
    meanwhile(monkeypatch, here, "create", lambda: made["there"].append(curve_of(there)))
    own = curve_of(here)
    curves = runs(here, f"tags.`{schema.KIND}` = 'curve'")
    assert len(curves) == 1
    assert own == curves[0].info.run_id
    assert curve_of(there) == own


def test_a_curve_filled_at_the_same_moment_is_whole(
    machines: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = machines

    def refused() -> None:
        curve_of(there)
        raise MlflowException("UNIQUE constraint failed: params.key, params.run_uuid")  # MLflow looks, and then adds

    meanwhile(monkeypatch, here, "fill", refused)
    curve = written(lambda: curve_of(here))
    (run,) = runs(here, f"tags.`{schema.KIND}` = 'curve'")
    assert run.info.run_id == curve
    assert run.data.params["model"] == "lenet5"


@pytest.mark.parametrize(
    ("where", "moment"),
    [("a database", "replace"), ("a server", "replace"), ("a server", "create"), ("a server", "fill")],
)
def test_summaries_renewed_at_the_same_moment_are_mended_by_the_next_command(
    machines: tuple[Machine, Machine], where: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = machines
    if where == "a server":
        monkeypatch.setattr(bulk, "is_database", lambda _: False)

    def recorded(machine: Machine, seed: int) -> str:
        one = a_point(seed=seed)
        curve = curve_of(machine, one.identity.curve_key)
        log_point(machine, curve, one)
        return curve

    here.describe(recorded(here, 0))
    second = recorded(here, 1)
    patched = bulk if moment == "replace" else here
    meanwhile(monkeypatch, patched, moment, lambda: there.describe(recorded(there, 2)))
    written(lambda: here.describe(second))  # where its unfinished summary was withdrawn, at the second attempt
    here.describe(second)
    left = runs(here, f"tags.`{schema.KIND}` = 'summary'")
    assert [run.data.metrics[schema.SEEDS] for run in left] == [3, 3]  # one of the curves, one of their points
    assert {run.data.tags[schema.SUMMARY_OF] for run in left} == {"curves", "points"}
    assert {run.info.status for run in left} == {"FINISHED"}


@pytest.mark.slow
def test_processes_with_locks_of_their_own_leave_one_run_of_each_thing(tmp_path: Path) -> None:
    names = ["north", "south", "east"]
    with tracking_server(tmp_path) as server:
        address, started = server.address, []
        for name in names:
            own = tmp_path / name
            own.mkdir()
            environment = {**os.environ, "TMPDIR": str(own), "PYTHONPATH": str(Path(__file__).parents[2])}
            command = [sys.executable, "-c", MACHINE, address, str(tmp_path), name, str(len(names))]
            started.append(subprocess.Popen(command, cwd=own, env=environment, stderr=subprocess.PIPE, text=True))
        said = [machine.communicate()[1] for machine in started]
        assert [machine.returncode for machine in started] == [0, 0, 0], said
        assert len(list(tmp_path.glob("*/pruneexp-tracking-*.lock"))) == 3  # none saw another's
        tracker = Tracker(address, "shared")
        found = points(tracker)
        curves = runs(tracker, f"tags.`{schema.KIND}` = 'curve'")
    expected = [f"p {number} {budget}" for number in range(6) for budget in range(3)]
    assert sorted(run.data.tags[schema.POINT_KEY] for run in found) == expected
    assert {run.info.status for run in (*found, *curves)} == {"FINISHED"}
    assert sorted(run.data.tags[schema.CURVE_KEY] for run in curves) == [f"curve {number}" for number in range(6)]
    assert {run.data.tags["mlflow.parentRunId"] for run in found} == {run.info.run_id for run in curves}
    for run in found:
        assert schema.unflatten(schema.PointResult, run.data.metrics) == point("p").result
