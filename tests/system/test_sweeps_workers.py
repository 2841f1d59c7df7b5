"""Workers of one study who see each other: which trial is free, whose worker is dead, and who tells it."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from sweeps import driver, signature
from sweeps.driver import TrialFailed
from sweeps.storing import open_storage
from tests.contracts.workers import (
    PARETO,
    Clock,
    noted,
    running,
    told,
    trials,
    value,
    worker,
)

ELSEWHERE = {"place": "elsewhere", "pid": 1, "started": "1"}


@pytest.fixture
def storage(tmp_path: Path) -> BaseStorage:
    return open_storage(None, tmp_path / "studies" / "study.journal")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stands = Clock()
    monkeypatch.setattr(driver, "time", stands)
    return stands


def test_a_dead_worker_of_this_machine_is_followed_at_once(storage: BaseStorage) -> None:
    worker(storage)
    running(storage, {"place": signature.place(), "pid": 2**30, "started": "1"})
    running(storage, {"place": signature.place(), "pid": os.getpid(), "started": "1"})  # another's id, used again
    log: list[int] = []
    worker(storage).work(3, noted(log))
    assert log == [0, 1, 2]


def test_a_worker_in_another_container_of_the_same_name_is_not_looked_up(
    storage: BaseStorage, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = worker(storage, stale_seconds=60.0)
    with monkeypatch.context() as there:
        there.setattr("os.readlink", lambda path: "pid:[1]")
        found = storage.get_trial(running(storage, signature.signature(os.getppid())))
    assert found.user_attrs["pruneexp.worker"]["place"] == f"{socket.gethostname()} pid:[1]"
    assert not mine._is_dead(found)  # a process id that means nothing here does not tell
    clock.now += 61
    assert mine._is_dead(found)


def test_a_killed_worker_is_dead_before_its_parent_has_looked(storage: BaseStorage) -> None:
    worker(storage)
    with subprocess.Popen(["sleep", "60"]) as process:
        running(storage, signature.signature(process.pid))
        process.kill()
        while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            pass
        log: list[int] = []
        worker(storage).work(1, noted(log))
    assert log == [0]


def test_a_living_worker_of_this_machine_is_waited_for(storage: BaseStorage, clock: Clock) -> None:
    mine = worker(storage, stale_seconds=1.0)
    theirs = running(storage, signature.signature(os.getppid()))

    def tell(now: float) -> None:
        if now >= 1000:
            storage.set_trial_state_values(theirs, TrialState.COMPLETE, (1.0, 1.0))

    clock.meanwhile = tell
    log: list[int] = []
    mine.work(2, noted(log))
    assert log == [1]
    assert clock.now >= 1000


@pytest.mark.parametrize("signed", [ELSEWHERE, None], ids=["elsewhere", "unsigned"])
def test_a_worker_elsewhere_is_dead_when_it_has_long_given_no_sign(
    storage: BaseStorage, clock: Clock, signed: dict[str, Any] | None
) -> None:
    mine = worker(storage, stale_seconds=60.0)
    running(storage, signed)
    at: list[float] = []

    def evaluate(trial: optuna.Trial) -> Sequence[float]:
        at.append(clock.now)
        return value(trial)

    mine.work(1, evaluate)
    assert 60 < at[0] < 62
    assert trials(storage)[0].user_attrs["pruneexp.worker"] == signature.mine()


def test_a_worker_elsewhere_that_gives_signs_is_waited_for(storage: BaseStorage, clock: Clock) -> None:
    mine = worker(storage, stale_seconds=60.0)
    theirs = running(storage, ELSEWHERE)

    def beat(now: float) -> None:
        if now % 50 == 0 and now <= 500:
            storage.set_trial_user_attr(theirs, "pruneexp.beat", now)

    clock.meanwhile = beat
    at: list[float] = []

    def evaluate(trial: optuna.Trial) -> Sequence[float]:
        at.append(clock.now)
        return value(trial)

    mine.work(2, evaluate)
    assert at[0] == 0.0  # number 1 was free
    assert 560 < at[1] < 562


def test_a_working_worker_gives_signs(storage: BaseStorage) -> None:
    seen: list[int] = []

    def evaluate(trial: optuna.Trial) -> Sequence[float]:
        while len(seen) < 2:
            beat = trials(storage)[0].user_attrs.get("pruneexp.beat")
            if beat is not None and beat not in seen:
                seen.append(beat)
        return value(trial)

    worker(storage, stale_seconds=0.1).work(1, evaluate)
    assert seen == sorted(set(seen))
    assert len(seen) == 2


def test_signs_seen_in_one_study_say_nothing_of_another(storage: BaseStorage, clock: Clock) -> None:
    first = worker(storage, stale_seconds=60.0)
    running(storage, ELSEWHERE)
    first._is_dead(trials(storage)[0])
    second = replace(first, definition=driver.Definition("another", PARETO, {}))
    clock.now = 100.0
    assert first._is_dead(trials(storage)[0])
    assert not second._is_dead(trials(storage)[0])


def test_a_trial_that_another_has_told_meanwhile_stays_as_it_is(storage: BaseStorage) -> None:
    def evaluate(trial: optuna.Trial) -> Sequence[float]:
        if trial.number < 3:
            storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, (7.0, 7.0))
        if trial.number == 1:
            raise TrialFailed("too late")
        if trial.number == 2:
            trial.set_user_attr("val", 1.0)
        return value(trial)

    worker(storage).work(4, evaluate)
    assert [values for _, _, _, values in told(storage)][:3] == [[7.0, 7.0]] * 3
    assert [state for _, state, _, _ in told(storage)] == ["COMPLETE"] * 4


def test_a_trial_that_another_has_put_back_meanwhile_is_told(storage: BaseStorage) -> None:
    def evaluate(trial: optuna.Trial) -> Sequence[float]:
        storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
        return value(trial)

    worker(storage).work(2, evaluate)
    assert [state for _, state, _, _ in told(storage)] == ["COMPLETE"] * 2


def test_of_two_who_follow_a_dead_worker_one_does(storage: BaseStorage) -> None:
    one, other = worker(storage), worker(storage)
    running(storage, {"place": signature.place(), "pid": 2**30, "started": "1"})
    [looked] = trials(storage)  # both look before either acts
    alive = signature.signature(os.getppid())
    assert one._is_free(looked)
    assert one._take(looked._trial_id) is not None
    storage.set_trial_user_attr(looked._trial_id, "pruneexp.worker", alive)  # as if one were another process
    assert not other._is_free(looked)
    assert other._take(looked._trial_id) is None
    assert trials(storage)[0].user_attrs["pruneexp.worker"] == alive


def test_a_number_beyond_the_total_waits_until_it_is_asked_for(storage: BaseStorage) -> None:
    mine = worker(storage)
    create = storage.create_new_trial
    faster = running(storage, signature.signature(os.getppid()))

    def late(study_id: int) -> int:
        """Another worker makes the last trial between our look and ours."""
        if storage.get_n_trials(study_id) == 1:
            create(study_id)
            storage.set_trial_state_values(faster + 1, TrialState.COMPLETE, (1.0, 1.0))
            storage.set_trial_state_values(faster, TrialState.COMPLETE, (1.0, 1.0))
        return create(study_id)

    storage.create_new_trial = late  # type: ignore[method-assign, assignment]
    log: list[int] = []
    mine.work(2, noted(log))
    assert log == []
    assert [state for _, state, _, _ in told(storage)] == ["COMPLETE", "COMPLETE", "WAITING"]
    mine.work(3, noted(log))
    assert log == [2]
