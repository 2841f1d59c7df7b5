"""Where studies are kept: made where they are missing, and refused in a sentence that tells no password."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pruneexp.errors import UserError, redact
from sweeps.storing import open_storage
from tests.contracts.workers import told, value, worker


@pytest.mark.parametrize("where", [None, "deep/er/study.journal", "sqlite:///deep/er/study.db"])
def test_folder_and_file_are_made(where: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "own" / "study.journal"
    worker(open_storage(where, own)).work(2, value)
    assert [state for _, state, _, _ in told(open_storage(where, own))] == ["COMPLETE"] * 2
    assert (tmp_path / ("own" if where is None else "deep/er")).is_dir()


def test_a_lock_that_a_killed_command_left_can_be_told_from_one_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    backend = open_storage(None, Path("studies/mine.journal"))._backend  # type: ignore[attr-defined]
    backend._lock.acquire()
    assert Path("studies/mine.journal.lock").stat().st_mtime == Path("studies/mine.journal").stat().st_mtime
    backend._lock.release()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://me:secret@host:5432/x", "postgresql://***@host:5432/x"),
        ("postgresql+psycopg://me@host/x", "postgresql+psycopg://***@host/x"),
        ("mysql://host/x?user=me&password=secret&ssl=1", "mysql://host/x?user=***&password=***&ssl=1"),
        ("postgresql://a:p@ss@host/x and postgresql://b:c@host", "postgresql://***@host/x and postgresql://***@host"),
        ("sqlite:////somewhere/me@home/x.db", "sqlite:////somewhere/me@home/x.db"),
        (".pruneexp/studies/x.journal", ".pruneexp/studies/x.journal"),
    ],
)
def test_no_credentials_are_shown(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("postgresql://me:secret@127.0.0.1:1/x", r"postgresql://\*\*\*@127.0.0.1:1/x cannot be used: .*refused"),
        ("postgresql+psycopg://127.0.0.1:1/x?password=secret", r"1/x\?password=\*\*\* cannot be used: .*refused"),
        ("nodatabase://me:secret@host/x", r"nodatabase://\*\*\*@host/x cannot be used: .*nodatabase"),
        ("postgresql://me:secret@host:port/x", r"//\*\*\*@host:port/x cannot be used: .*port"),
        ("http://127.0.0.1:1/x", "http://127.0.0.1:1/x cannot be used: "),
        ("mysql+nodriver://me:secret@host/x", r"//\*\*\*@host/x cannot be used: .*nodriver"),
        ("{folder}", "the study storage {folder} cannot be written: Is a directory"),
        ("{folder}/file/study.journal", "file/study.journal cannot be written: (Not a directory|File exists)"),
        ("sqlite:///{folder}", "sqlite:///{folder} cannot be used: unable to open database file"),
        ("sqlite:///{folder}/file/study.db", "file/study.db cannot be written: (Not a directory|File exists)"),
        ("sqlite:///{folder}/file", "sqlite:///{folder}/file cannot be used: file is not a database"),
        ("sqlite://", "the study storage sqlite:// names no file"),
        ("sqlite:///:memory:", "the study storage sqlite:///:memory: names no file"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(where: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("neither a folder nor a database, but long enough to be looked at\n" * 20)
    with pytest.raises(UserError, match=sentence.format(folder=tmp_path)) as caught:
        open_storage(where.format(folder=tmp_path), tmp_path / "own.journal")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("driver", "uri", "sentence"),
    [
        ("psycopg", "postgresql+psycopg://ann@host/x", r"psycopg is not installed: pip install -e '\.\[postgres\]'$"),
        (
            "psycopg2",
            "postgresql+psycopg2://ann@host/x",
            r"write postgresql\+psycopg://, which pip install -e '\.\[postg",
        ),
    ],
)
def test_a_missing_driver_is_named_with_the_extra_that_brings_it(
    driver: str, uri: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, driver, None)  # as if it were not installed
    with pytest.raises(UserError, match=sentence):
        open_storage(uri, Path("none.journal"))
