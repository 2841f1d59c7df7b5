"""A job that was killed and started again ends with the numbers of one that never was, bit by bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from pruneexp.experiment.display import Display
from pruneexp.training.events import TrainingEvent
from tests.contracts.jobs import numbers, ran, runs

LONGER = ("train.epochs=4", "retrain.epochs=2", "retrain.scope=local", "model=lenet5", "data.image_size=16")


class Killed(BaseException):
    """What no handler of the job's may swallow."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """The numbers of the job that is never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    ran(folder, *LONGER)
    return numbers(folder)


@pytest.mark.parametrize("epochs", [3, 6, 9])  # of the dense network, and of the first and the second point
def test_interrupted_after_an_epoch(
    epochs: int, whole: dict[str, dict[str, float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = epochs

    def count(self: Display, event: TrainingEvent) -> None:
        nonlocal left
        left -= event.kind == "epoch"
        if left == 0:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Display, "training", count)
        with pytest.raises(Killed):
            ran(tmp_path, *LONGER, "runtime.checkpoint_seconds=0")
    ran(tmp_path, *LONGER, "runtime.checkpoint_seconds=0")
    assert numbers(tmp_path) == whole
    assert len(runs(tmp_path)) == 2


def test_the_second_half_of_local_retraining_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def count(self: Display, event: TrainingEvent) -> None:
        if event.kind == "epoch":
            seen.append(f"{event.stage} {event.epoch}")
            if len(seen) == 7:
                raise Killed

    one_budget = (*LONGER, "curve.densities=[0.5]", "runtime.checkpoint_seconds=0")
    monkeypatch.setattr(Display, "training", count)
    with pytest.raises(Killed):
        ran(tmp_path, *one_budget)
    ran(tmp_path, *one_budget)
    assert seen[4:7] == ["retrain 1", "retrain 2", "retrain 1"]  # killed while the second half's first epoch is told
    assert seen[7:] == ["retrain 1", "retrain 2"]  # told again, and the first half is not trained again


def test_ctrl_c_marks_the_curve_and_the_next_run_completes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Display, event: TrainingEvent) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Display, "training", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ran(tmp_path)
    assert [run.info.status for run in runs(tmp_path, "curve")] == ["KILLED"]
    ran(tmp_path)
    assert [run.info.status for run in runs(tmp_path, "curve")] == ["FINISHED"]
    assert len(numbers(tmp_path)) == 2
