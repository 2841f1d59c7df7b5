"""Stores that cannot be used are refused at once, in one sentence, without credentials."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pruneexp.errors import UserError, redact
from pruneexp.tracking import Tracker, default_uri, stores
from pruneexp.tracking.stores import resolved
from tests.contracts.ports import free_port
from tests.contracts.records import fresh_store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    fresh_store(tmp_path)
    return tmp_path / "mlflow.db"


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder, and a user who is not root, so that permissions mean something."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


def refusal(uri: str, experiment: str = "first") -> str:
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        Tracker(uri, experiment)
    assert time.monotonic() - began < 10
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_default_is_absolute_and_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_uri(Path()) == f"sqlite:///{tmp_path}/mlflow.db"
    assert resolved("sqlite:///mlflow.db") == default_uri(tmp_path)


def test_a_folder_that_no_uri_can_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'\?' in its path"):
        default_uri(tmp_path / "what?")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("./mlruns", "sqlite:///"),
        ("file:///tmp/mlruns", "sqlite:///"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///file:x.db?mode=ro&uri=true", "names no file"),
        ("ftp://user:secret@host/x", "starts with none of sqlite://"),
    ],
)
def test_a_uri_of_no_lasting_kind_is_refused(uri: str, said: str) -> None:
    message = refusal(uri)
    assert said in message
    assert "secret" not in message


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    message = refusal(f"http://user:secret@127.0.0.1:{free_port()}")
    assert "No MLflow server answers at http://***@127.0.0.1:" in message
    assert "refused" in message
    assert "secret" not in message


def test_a_server_that_never_answers_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_PROBE_SECONDS", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert "No MLflow server answers" in refusal(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_a_database_server_without_driver_or_answer_is_told_at_once() -> None:
    message = refusal(f"postgresql://user:secret@127.0.0.1:{free_port()}/db")
    assert "postgresql://***@127.0.0.1" in message
    assert "secret" not in message


def test_a_deleted_experiment_names_the_command_that_restores_it(store: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{store}")
    number = client.create_experiment("gone")
    client.delete_experiment(number)
    assert f"mlflow experiments restore --experiment-id {number}" in refusal(f"sqlite:///{store}", "gone")


def test_another_schema_names_the_upgrade(store: Path) -> None:
    with sqlite3.connect(store) as database:
        database.execute("UPDATE alembic_version SET version_num = 'cafe00000000'")
        database.execute("DROP TABLE trace_info")  # an older one lacks tables, and MLflow would migrate it unasked
    message = refusal(f"sqlite:///{store}")
    assert "cafe00000000" in message
    assert f"mlflow db upgrade sqlite:///{store}" in message
    with sqlite3.connect(store) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("cafe00000000",)]


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE studies (id INTEGER)")
    assert "is not MLflow's (it holds studies)" in refusal(f"sqlite:///{path}")
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("studies",)]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_text("notes " * 500)
    assert "not a database" in refusal(f"sqlite:///{path}")
    assert path.read_text().startswith("notes")


def test_a_database_under_a_file_or_named_as_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "could not be opened" in refusal(f"sqlite:///{tmp_path}/file/mlflow.db")
    assert "could not be opened" in refusal(f"sqlite:///{tmp_path}")


def test_a_read_only_database_is_refused(store: Path, unprivileged: Path) -> None:
    user = os.geteuid()
    os.seteuid(os.getuid())
    path = unprivileged / "mlflow.db"
    shutil.copy(store, path)
    Path(f"{path}.lock").touch(0o666)
    Path(f"{path}.lock").chmod(0o666)
    path.chmod(0o444)
    os.seteuid(user)
    assert "readonly database" in refusal(f"sqlite:///{path}")


def test_a_read_only_folder_is_refused(unprivileged: Path) -> None:
    user = os.geteuid()
    os.seteuid(os.getuid())
    unprivileged.chmod(0o555)
    os.seteuid(user)
    assert "Permission denied" in refusal(default_uri(unprivileged))


def test_credentials_are_hidden_wherever_they_stand() -> None:
    text = "at https://me:p@ss@host/x and mysql+pymysql://me:pw@h/db?password=hush&x=1, not http://host/@x"
    assert redact(text) == "at https://***@host/x and mysql+pymysql://***@h/db?password=***&x=1, not http://host/@x"


def test_a_missing_driver_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # as if it were not installed
    said = refusal("postgresql+psycopg://ann:s3cret@host/records")
    assert said.endswith("could not be opened: psycopg is not installed: pip install -e '.[postgres]'.")
    assert "s3cret" not in said


def test_an_interrupted_creation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.store.db import utils

    def killed(engine: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(utils, "_upgrade_db", killed)
        with pytest.raises(KeyboardInterrupt):
            Tracker(default_uri(tmp_path), "first")
    assert not (tmp_path / "mlflow.db").exists()
    assert not list(tmp_path.glob("*.partial*"))
