"""Jobs side by side on one machine: how many, with how many threads, and what is said where a launcher is wrong."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from hydra_plugins.pruneexp_launchers import _work
from hydra_plugins.pruneexp_launchers._work import threads_said
from hydra_plugins.pruneexp_launchers.local_launcher import LocalLauncher, cores_said, shared
from pruneexp.__main__ import main
from pruneexp.config import skeleton
from pruneexp.config.sweep import check_command
from pruneexp.errors import UserError
from pruneexp.experiment import threads
from tests.contracts.composing import composed


@pytest.mark.parametrize(
    ("wanted", "jobs", "cores", "capacity", "expected"),
    [
        (8, 100, 8, 0, (8, 1)),
        (8, 2, 8, 0, (2, 4)),  # two jobs leave no core idle
        (3, 100, 8, 0, (3, 2)),
        (16, 100, 8, 0, (16, 1)),
        (8, 100, 8, 2, (2, 4)),  # two GPUs
        (8, 1, 8, 2, (1, 8)),
    ],
)
def test_cores_are_shared_among_the_jobs_that_run_at_once(
    wanted: int, jobs: int, cores: int, capacity: int, expected: tuple[int, int]
) -> None:
    assert shared(wanted, jobs, cores, capacity) == expected


def test_the_number_of_threads_is_said_unless_somebody_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    undecided, decided = (OmegaConf.create({"runtime": {"threads": threads}}) for threads in (None, 3))
    assert threads_said(undecided, 4) == ["runtime.threads=4"]
    assert threads_said(decided, 4) == []
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert threads_said(undecided, 4) == []


def test_cores_are_said_unless_somebody_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    undecided, cores = (OmegaConf.create({"runtime": {"cores": cores}}) for cores in (None, 3))
    assert cores_said(undecided, 4) == ["runtime.cores=4"]
    assert cores_said(cores, 4) == []
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert cores_said(undecided, 4) == []


@pytest.mark.parametrize(
    ("cores_of_jobs", "cores", "said", "expected"),
    [
        ([1, 1, 1], 2, None, 2),
        ([1] * 100, 64, None, 64),
        ([1, 1, 1], 64, None, 3),  # no more than there are jobs
        ([1, 2, 1], 4, None, 2),  # as the largest of them
        ([4, 4], 6, None, 1),
        ([8], 4, None, 1),
        ([1, 1], 8, "1", 1),  # what the user lets the command use
        ([None, None], 8, None, 1),  # a GPU
        ([], 8, None, 1),
    ],
)
def test_a_machine_has_room_for_jobs_by_their_cores(
    cores_of_jobs: list[int | None], cores: int, said: str | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_present", lambda: cores)
    monkeypatch.setattr("joblib.cpu_count", lambda: cores)
    monkeypatch.setattr(threads, "free_memory", lambda: float("inf"))
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert threads.room(cores_of_jobs) == expected


def test_a_machine_has_room_for_jobs_by_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_present", lambda: 64)
    monkeypatch.setattr("joblib.cpu_count", lambda: 64)
    needed = 1.5 * 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    monkeypatch.setattr(threads, "free_memory", lambda: 5.5 * needed)
    assert threads.room([1] * 100) == 5
    monkeypatch.setattr(threads, "free_memory", lambda: 0.0)
    assert threads.room([1] * 100) == 1


def test_memory_is_free_in_the_machine_and_in_the_container(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable:    4000 kB\n")
    assert threads.free_memory(tmp_path) == 4000 * 1024
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.current").write_text("1000000\n")
    (group / "memory.max").write_text("max\n")
    assert threads.free_memory(tmp_path) == 4000 * 1024
    (group / "memory.max").write_text("3000000\n")
    assert threads.free_memory(tmp_path) == 2_000_000


def test_what_a_job_says_itself_stands_after_what_a_launcher_says() -> None:
    config, _ = composed("runtime.threads=4", "runtime.gpu_jobs=0", "runtime.threads=1", "runtime.gpu_jobs=2")
    assert (config.runtime.threads, config.runtime.gpu_jobs) == (1, 2)


def test_no_job_at_a_time_is_refused() -> None:
    with pytest.raises(UserError, match="n_jobs=0: give the number"):
        LocalLauncher(n_jobs=0).setup(hydra_context=None, task_function=print, config=OmegaConf.create({}))  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "package"), [("slurm", "submitit"), ("ray", "ray")])
def test_a_launcher_without_its_package_names_the_extra(
    name: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_work, "find_spec", lambda _: None)
    GlobalHydra.instance().clear()
    assert main(["-m", f"hydra/launcher={name}", "reg=l1,l2"]) == 2
    told = f"hydra/launcher={name} needs {package}, which is not installed: pip install -e '.[{name}]'"
    assert capsys.readouterr().err == f"pruneexp: {told}\n"
    assert list(tmp_path.iterdir()) == []


def test_an_address_on_the_command_line_is_no_word_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_work, "find_spec", lambda name: name)  # as if the extras were installed
    skeleton.register()
    check_command(["-m", "hydra/launcher=ray", "hydra.launcher.address=127.0.0.1:1", "reg=l1,l2"])
    check_command(["-m", "hydra.launcher.setup=[module load cuda]", "hydra/launcher=slurm", "seed=0,1"])
