"""Jobs as text, their results as text, and a queue that is watched without accounts."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import pytest
from hydra.core.utils import JobStatus

from hydra_plugins.pruneexp_launchers import _queue
from hydra_plugins.pruneexp_launchers._work import (
    Order,
    Outcome,
    carry_out,
    received,
    returned,
    sent,
    without_slots,
)
from pruneexp.errors import JobFailed
from tests.contracts.composing import SMALL
from tests.contracts.jobs import numbers, ran


def order(folder: Path, *overrides: str) -> Order:
    return Order(7, [*SMALL, *overrides], [], str(folder))


def test_a_job_is_carried_out_in_its_folder_as_if_typed_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # taken back afterwards
    home, typed = tmp_path / "home", tmp_path / "typed"
    home.mkdir()
    own = ("reg=l1", "runtime.store=store", f"runtime.tracking_uri=sqlite:///{home}/mlflow.db")
    outcome = received(carry_out(sent(order(home, "hydra/launcher=slurm", "hydra.mode=MULTIRUN", *own))))
    ran(typed, "reg=l1")
    assert outcome.failure is None
    assert numbers(home) == numbers(typed)
    assert outcome.numbers is not None
    last = numbers(typed)[max(numbers(typed), key=lambda key: -numbers(typed)[key]["density"])]
    shared = outcome.numbers.keys() & last.keys()
    assert {"density", "val.after.top1"} <= shared
    assert {name: outcome.numbers[name] for name in shared} == {name: last[name] for name in shared}


def test_a_failure_comes_back_as_its_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = received(carry_out(sent(order(tmp_path, "train.lr=-1"))))
    assert outcome == Outcome(failure="UserError", sentence="train.lr=-1: allowed is above 0")
    capsys.readouterr()
    job = returned(order(tmp_path), Outcome(failure="JobFailed", sentence="1 of 2 points failed"), Path("a/log"))
    assert capsys.readouterr().err == "pruneexp: job 7: 1 of 2 points failed (log: a/log)\n"
    assert job.status == JobStatus.FAILED
    with pytest.raises(JobFailed, match="1 of 2 points failed") as caught:
        assert job.return_value
    assert caught.value.said


def test_what_crosses_is_json_of_strings(tmp_path: Path) -> None:
    assert json.loads(sent(order(tmp_path, "seed=1")))["overrides"][-1] == "seed=1"
    assert without_slots(order(tmp_path)).overrides[-1] == "runtime.gpu_jobs=0"
    asked = order(tmp_path, "runtime.gpu_jobs=2")
    assert without_slots(asked) is asked


def test_a_job_is_over_with_its_result_or_some_time_after_it_has_left_the_queue(tmp_path: Path) -> None:
    clock, over = [0.0], list[tuple[float, str]]()
    results = {name: tmp_path / name for name in ("early", "late", "lost")}
    events = {3.0: results["early"].touch, 38.0: results["late"].touch}

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        events.get(clock[0], lambda: None)()

    def queued(names: Collection[str]) -> set[str]:
        return {"early", "late"} if clock[0] < 35 else set()

    _queue.wait(results, lambda name: over.append((clock[0], name)), queued, lambda: clock[0], sleep)
    assert [name for _, name in over] == ["early", "lost", "late"]
    (_, _), (lost, _), (late, _) = over
    assert 25 <= lost <= 27  # asked at 10 s, and 15 s for its result to arrive
    assert late == 38.0
