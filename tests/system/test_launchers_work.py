"""Jobs as text, their results as text, and a queue that is watched without accounts."""

from __future__ import annotations

import json
from collections.abc import Collection, Generator, Sequence
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.utils import JobStatus

from hydra_plugins.pruneexp_launchers import slurm_launcher
from hydra_plugins.pruneexp_launchers._work import (
    JobResult,
    SentJob,
    carry_out,
    launched,
    returned,
    shared_out,
    to_send,
)
from pruneexp.config import skeleton
from pruneexp.errors import JobFailed, UserError
from tests.contracts.composing import SMALL, composed
from tests.contracts.jobs import numbers, ran
from tests.contracts.workers import Clock


def sent(folder: Path, *overrides: str) -> SentJob:
    return SentJob(7, [*SMALL, *overrides], str(folder))


def test_a_job_is_carried_out_in_its_folder_as_if_typed_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # taken back afterwards
    home, typed = tmp_path / "home", tmp_path / "typed"
    home.mkdir()
    own = ("reg=l1", "runtime.store=store", f"runtime.tracking_uri=sqlite:///{home}/mlflow.db")
    result = json.loads(carry_out(sent(home, "hydra/launcher=slurm", "hydra.mode=MULTIRUN", *own).text()))
    ran(typed, "reg=l1")
    assert result.keys() == {"numbers"}
    assert numbers(home) == numbers(typed)
    last = numbers(typed)[max(numbers(typed), key=lambda key: -numbers(typed)[key]["density"])]
    shared = result["numbers"].keys() & last.keys()
    assert {"density", "val.after.top1"} <= shared
    assert {name: result["numbers"][name] for name in shared} == {name: last[name] for name in shared}


def test_a_failure_comes_back_as_its_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = json.loads(carry_out(sent(tmp_path, "train.lr=-1").text()))
    assert result == {"failure": "train.lr=-1: allowed is above 0", "partial": False}
    capsys.readouterr()
    job = returned(sent(tmp_path), {"failure": "1 of 2 points failed", "partial": True}, Path("a/log"))
    assert capsys.readouterr().err == ""  # the job has said it
    assert job.status == JobStatus.FAILED
    with pytest.raises(JobFailed, match="1 of 2 points failed") as caught:
        assert job.return_value
    assert caught.value.said
    capsys.readouterr()
    lost = returned(sent(tmp_path), {"failure": "Slurm ended 3_0"}, Path("a/log"))
    assert capsys.readouterr().err == "pruneexp: job 7: Slurm ended 3_0 (log: a/log)\n"
    with pytest.raises(UserError, match="Slurm ended 3_0"):
        assert lost.return_value


def test_what_crosses_is_json_of_strings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    skeleton.register()
    with initialize_config_dir(str(skeleton.conf_folder()), version_base="1.3"):
        config = compose("config", overrides=["seed=1"], return_hydra_config=True)
    (job,) = to_send(config, [["seed=1", "++runtime.job=5"]], 9, shared_out(config, 2))
    assert json.loads(job.text()) == {
        "number": 5,
        "overrides": ["runtime.gpu_jobs=0", "runtime.threads=2", "seed=1", "++runtime.job=5"],
        "home": str(tmp_path),
    }


def test_results_come_back_in_the_order_of_the_jobs_and_what_is_left_is_taken_back() -> None:
    config, _ = composed()
    config.hydra = {"overrides": {"hydra": []}, "runtime": {"config_sources": []}}
    left: list[int] = []

    def run(jobs: Sequence[SentJob]) -> Generator[JobResult]:
        left[:] = [job.number for job in jobs]
        try:
            for job in reversed(jobs):
                left.remove(job.number)
                if job.overrides[-1] == "interrupted":
                    raise KeyboardInterrupt
                yield job, {"numbers": {"density": float(job.number)}}, None
        finally:
            left.append(-1)  # as a batch system is told

    done = launched(to_send(config, [["a"], ["b"], ["c"]], 4, []), run)
    assert [job.return_value for job in done] == [{"density": 4.0}, {"density": 5.0}, {"density": 6.0}]
    assert left == [-1]
    with pytest.raises(KeyboardInterrupt):
        launched(to_send(config, [["a"], ["interrupted"], ["c"]], 4, []), run)
    assert left == [4, -1]


def test_a_job_is_over_with_its_result_or_some_time_after_it_has_left_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    results = {name: tmp_path / name for name in ("early", "late", "lost")}
    events = {5.0: results["early"].touch, 40.0: results["late"].touch}
    clock.meanwhile = lambda now: events.get(now, lambda: None)()

    def queued(names: Collection[str]) -> set[str]:
        return {"early", "late"} if clock.now < 35 else set()

    monkeypatch.setattr(slurm_launcher, "time", clock)
    monkeypatch.setattr(slurm_launcher, "in_queue", queued)
    over = [(clock.now, name) for name in slurm_launcher.ended(results)]
    assert over == [(5.0, "early"), (20.0, "lost"), (40.0, "late")]  # lost: 15 s for its result to arrive
