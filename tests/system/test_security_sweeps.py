"""Secrets in the folders of sweeps, what a sweep's file may say, and the command kept for a retry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobReturn

from hydra_plugins.pruneexp_jobs_sweeper._jobs import of_product
from hydra_plugins.pruneexp_jobs_sweeper._run import conclude, launch
from hydra_plugins.pruneexp_launchers._work import SentJob
from pruneexp.config import skeleton
from pruneexp.errors import JobFailed, UserError
from pruneexp.experiment.display import Display
from pruneexp.jobs.folder import SweepFolder, automatic_name, definition
from pruneexp.jobs.progress import detail, progress
from pruneexp.jobs.state import JobState, job_log, read_state, write_state
from pruneexp.status import main as status
from sweeps.__main__ import main as sweeps
from tests.contracts.sweeping import Folder
from tests.system.test_security_secrets import URIS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    return Folder(tmp_path, monkeypatch)


def with_secret(root: Path) -> list[str]:
    """Files below a folder that hold the secret."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(root)) for path in files if b"s3cret" in path.read_bytes())


@pytest.mark.parametrize("uri", URIS)
def test_a_definition_keeps_and_shows_no_password(uri: str, tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, "mine")
    folder.claim(definition([[f"+data.source='{uri}'", "seed=0"], [f"+data.source='{uri}'", "seed=1"]]))
    with pytest.raises(UserError, match="was defined otherwise") as refused:
        folder.check(definition([[f"+data.source='{uri}'", "seed=2"]]))
    assert "s3cret" not in str(refused.value)
    assert with_secret(tmp_path) == []
    write_state(folder, 1, JobState(state="failed"))
    assert "job 1, seed 1: 0 of ? points" in detail(progress(folder), 0.0).plain


def test_the_same_sweep_goes_on_after_a_password_has_changed(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, "mine")
    before, after = (
        definition([[f"+data.source=http://ann:{password}@lab/", f"seed={seed}"] for seed in (0, 1)])
        for password in ("s3cret", "other")
    )
    folder.claim(before)
    folder.claim(after)
    assert folder.jobs() == before
    assert automatic_name(after) == automatic_name(before)
    assert before[1] == ("+data.source=http://***@lab/", "seed=1")


def test_jobs_that_differ_only_in_what_is_hidden_stay_apart() -> None:
    """A key that only looks like that of a secret can be swept."""
    assert definition([["model.token=mean", "seed=0"], ["model.token=first", "seed=0"]]) == (
        ("model.token=***", "seed=0"),
        ("model.token=***", "seed=0"),
    )
    with pytest.raises(UserError, match="jobs 0 and 1 of this sweep are the same"):
        definition([["model.token=mean"], ["model.token=mean"]])


@pytest.mark.parametrize("uri", URIS)
def test_no_reason_of_a_failed_job_keeps_a_password(uri: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), job_log(tmp_path, "mine", 0):
        raise RuntimeError(f"{uri} is lost")
    assert "is lost" in read_state(SweepFolder(tmp_path, "mine"), 0).reason
    assert with_secret(tmp_path) == []


def two_jobs(root: Path) -> SweepFolder:
    """Two jobs, neither of which has begun."""
    folder = SweepFolder(root, "mine")
    folder.claim(definition([["seed=0"], ["seed=1"]]))
    return folder


@pytest.mark.parametrize("uri", URIS)
def test_what_a_launcher_dies_of_is_said_without_a_password(uri: str, tmp_path: Path) -> None:
    folder = two_jobs(tmp_path)

    class Dying:
        def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
            raise RuntimeError(f"lost {uri}")

    launcher: Any = Dying()
    cause = launch(launcher, [["seed=0"], ["seed=1"]], 0)
    with pytest.raises(
        JobFailed, match=r"of 2 jobs 2 waiting; .* the same command runs what is left \(RuntimeError: lost "
    ) as said:
        conclude(folder, cause, Display(bars=False))
    assert "s3cret" not in str(said.value)


def test_a_failed_sweep_leaves_no_secret_below_its_folder(folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
    tags = ", ".join(f"{{source: '{uri}'}}" for uri in URIS[1:3])
    folder.write("mine", f"product: {{train.lr: [1.0e+20], runtime.tags: [{tags}]}}\n")

    def die() -> None:
        raise RuntimeError(f"lost {URIS[1]}")

    folder.at_first_epoch("dense", die)
    assert folder("mine.yaml", f"+runtime.tags.note='{URIS[0]}'", "runtime.log=true") != 0
    assert {state.state for state in folder.states("mine")} == {"failed"}
    capfd.readouterr()
    assert status(["mine"]) == 1
    shown = capfd.readouterr().out
    assert "source" in shown
    assert "s3cret" not in shown
    kept = {path.name for path in Path(".pruneexp").rglob("*") if path.is_file()}
    assert {"definition.yaml", "00000.json", "00000.log"} <= kept
    assert with_secret(Path(".pruneexp")) == []


def test_a_password_in_the_environment_is_not_in_what_is_sent_to_another_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Batch systems keep it in files of theirs."""
    monkeypatch.setenv("DB_PASSWORD", "s3cret")
    skeleton.register()
    words = ["runtime.tracking_uri='postgresql+psycopg://me:${oc.env:DB_PASSWORD}@host/db'", "seed=0,1"]
    with initialize_config_dir(str(skeleton.conf_folder()), version_base="1.3"):
        jobs = of_product(GlobalHydra.instance().config_loader(), words)
    assert [job[-1] for job in jobs] == ["seed=0", "seed=1"]
    texts = [SentJob(number, job, ".").text() for number, job in enumerate(jobs)]
    assert all("${oc.env:DB_PASSWORD}" in text for text in texts)
    assert not any("s3cret" in text for text in texts)


def test_what_hydra_runs_is_no_part_of_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("with: {hydra/launcher: ray}")
    assert sweeps(["mine.yaml", "data=synthetic", "model=lenet_300_100"]) == 2
    assert "hydra/launcher: belongs on the command line, not in the sweep" in capsys.readouterr().err


def test_a_sweeps_file_says_where_its_jobs_compute_and_record(folder: Folder) -> None:
    there = "runtime.store: [../there/store], runtime.tracking_uri: ['sqlite:///../there/mlflow.db']"
    folder.write("mine", f"product: {{seed: [0, 1], {there}}}\n")
    assert folder("mine.yaml") == 0
    assert Path("../there/mlflow.db").is_file()
    assert Path("../there/store").is_dir()
    assert not Path(".pruneexp/store").exists()


@pytest.mark.parametrize("key", ["model._target_", "reg.train._target_"])
def test_a_sweeps_file_names_no_other_code(key: str, folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.write("mine", f"product: {{{key}: [os.system]}}")
    assert folder("mine.yaml") == 2
    assert "_target_=os.system is not allowed" in capsys.readouterr().err
