"""Where studies are kept: Optuna's journal file by default, any database that its RDB storage takes otherwise."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from pruneexp.errors import UserError, without_driver

_CONNECT_SECONDS = 5
_WAIT_SECONDS = 60
#: Of two makers of the same tables one succeeds; the other finds them, next time.
_TRIES = 9
_RETRY_SECONDS = 0.3


def open_storage(url: str | None, journal: Path) -> BaseStorage:
    """The storage of a URL, or the journal file where none is given. Made where it is missing.

    Raises:
        UserError: it cannot be reached or written, or the URL is none that Optuna takes; says so without credentials.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = _with_home(url) if url is not None else None
    if url is None or not re.match(r"[\w+]+://", url):
        return _journal(Path(url) if url is not None else journal)
    try:
        return _database(url)
    except (ArgumentError, ImportError, ValueError, SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause = error.__cause__ or error
        first = str(cause).strip().partition("\n")[0] or type(cause).__name__
        raise UserError(f"the study storage {url} cannot be used: {without_driver(cause) or first}") from error


def _with_home(url: str) -> str:
    """A ``~`` at the beginning of a path, or of a SQLite URI's, written out."""
    scheme, slashes, path = url.partition(":///")
    if slashes and scheme.startswith("sqlite") and path.startswith("~"):
        return f"{scheme}{slashes}{Path(path).expanduser()}"
    return str(Path(url).expanduser()) if url.startswith("~") else url


def _journal(path: Path) -> BaseStorage:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
    except OSError as error:
        raise UserError(f"the study storage {path} cannot be written: {error.strerror}") from error
    # Optuna's lock is a symbolic link to the journal. A relative one leads nowhere from the journal's folder, and the
    # lock of a command that was killed while it held it is then never broken.
    return JournalStorage(JournalFileBackend(str(path.absolute())))


def _database(url: str) -> BaseStorage:
    """Several processes that make its tables at once crash in each other's way: a lock for a file, else once more."""
    sqlite = url.startswith("sqlite")
    # SQLite writers wait for each other; a server that is not there is said within seconds.
    arguments = {"timeout": _WAIT_SECONDS} if sqlite else {"connect_timeout": _CONNECT_SECONDS}
    engine = {"connect_args": arguments, "pool_pre_ping": not sqlite}
    with _making(url, sqlite):
        for _ in range(_TRIES):
            try:
                return optuna.storages.get_storage(RDBStorage(url, engine_kwargs=engine))  # it caches finished trials
            except (IntegrityError, OperationalError, ProgrammingError) as error:
                if not isinstance(error, IntegrityError) and "already exists" not in str(error):
                    raise
                time.sleep(_RETRY_SECONDS)
        return optuna.storages.get_storage(RDBStorage(url, engine_kwargs=engine))


@contextmanager
def _making(url: str, sqlite: bool) -> Iterator[None]:
    if not sqlite:
        yield
        return
    name = url.partition(":///")[2].partition("?")[0]
    if name in ("", ":memory:"):
        raise UserError(f"the study storage {url} names no file: write sqlite:///studies.db, or a whole path after ///")
    path = Path(name).absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=_WAIT_SECONDS):
            yield
    except OSError as error:
        raise UserError(f"the study storage {path} cannot be written: {error.strerror or error}") from error
