"""Revision, versions and machine of a record."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pruneexp.provenance import environment, revision

UNKNOWN = {"commit": "unknown", "dirty": None}


def git(folder: Path, *command: str) -> str:
    settings = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", "-C", str(folder), *settings, *command], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one tracked folder ``code``."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("a = 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_folder_has_its_commit(repository: Path) -> None:
    assert revision(repository / "code") == {"commit": git(repository, "rev-parse", "HEAD"), "dirty": False}


def test_changes_and_new_files_make_it_dirty(repository: Path) -> None:
    new = repository / "code" / "b.py"
    new.write_text("b = 1\n")
    assert revision(repository / "code")["dirty"] is True
    new.unlink()
    (repository / "code" / "a.py").write_text("a = 2\n")
    assert revision(repository / "code")["dirty"] is True


def test_results_beside_the_code_do_not_make_it_dirty(repository: Path) -> None:
    (repository / "mlflow.db").write_text("records")
    assert revision(repository / "code")["dirty"] is False


def test_a_folder_inside_somebody_elses_repository_is_unknown(repository: Path) -> None:
    installed = repository / ".venv" / "code"
    installed.mkdir(parents=True)
    (installed / "a.py").write_text("a = 1\n")
    assert revision(installed) == UNKNOWN


def test_a_repository_named_by_a_hook_is_not_believed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(repository / "elsewhere"))
    assert len(str(revision(repository / "code")["commit"])) == 40


def test_no_repository_and_no_git_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert revision(tmp_path) == UNKNOWN
    monkeypatch.setenv("PATH", "")
    assert revision(tmp_path) == UNKNOWN


def test_the_environment_is_complete_and_can_be_written() -> None:
    found = json.loads(json.dumps(environment(accelerator="Some GPU")))
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"mlflow", "numpy", "torch"} <= found["packages"].keys()
    assert found["machine"]["accelerator"] == "Some GPU"
    assert found["machine"]["cpus"] >= 1
    assert set(found["git"]) == {"commit", "dirty"}
