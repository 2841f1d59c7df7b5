"""A file system whose locks are missing, or lock nobody out, is told at the start."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pruneexp.cache.store import Store
from pruneexp.errors import UserError


def refuses(number: int) -> Callable[..., None]:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    return flock


def says_yes_to_everybody(descriptor: int, operation: int) -> None:
    """As on a network folder that is mounted with locks of one machine each, or with none."""


@pytest.mark.parametrize(
    ("flock", "reason"),
    [
        (refuses(errno.ENOLCK), "No locks available"),
        (refuses(errno.ENOSYS), "Function not implemented"),
        (refuses(errno.EOPNOTSUPP), "Operation not supported"),
        (says_yes_to_everybody, "two could hold the same lock"),
    ],
    ids=["ENOLCK", "ENOSYS", "EOPNOTSUPP", "no effect"],
)
def test_a_store_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flock: Callable[..., None], reason: str
) -> None:
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(UserError) as caught:
        Store(tmp_path / "store")
    sentence = str(caught.value)
    assert f"{tmp_path}/store lies on a file system without file locks ({reason})" in sentence
    assert sentence.endswith("choose a folder on another one with runtime.store=FOLDER.")
