"""Where records go: tracking URIs, their lock, and opening a store safely.

Several processes that open a fresh SQLite store at once crash in MLflow's migration (seen with MLflow 3.17), so a
database is made under a lock, in a temporary file that is renamed when complete: one that was interrupted does not
exist. Knows nothing of runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import logging
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit, urlunsplit

from filelock import FileLock, Timeout

from pruneexp.errors import UserError, redact, without_driver
from pruneexp.tracking.databases import DATABASES, check_database, create_database, is_database

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

Found = TypeVar("Found")

#: Most that is asked for at a time.
PAGE = 1000
_SQLITE = "sqlite:///"
_PROBE_SECONDS = 5.0
#: Making a database takes 3 s, recording a point less than 0.1 s; a process that waits longer waits for one that hangs.
_LOCK_SECONDS = 120.0
#: A store that was in trouble is asked this long whether it is back.
_AGAIN_SECONDS = 1.0


class Unreachable(UserError):
    """The store cannot be used now; it may be later, and what is to be recorded can wait."""


def default_uri(folder: Path) -> str:
    """``sqlite:////.../mlflow.db``, absolute, which a plain ``mlflow ui`` started in ``folder`` finds.

    Raises:
        UserError: the path has a ``?``, where SQLAlchemy would end it.
    """
    path = folder.resolve() / "mlflow.db"
    if "?" in str(path):
        raise UserError(f"The folder {folder.resolve()} has a '?' in its path, which a sqlite URI cannot hold.")
    return f"{_SQLITE}{path}"


def sqlite_path(uri: str) -> Path | None:
    """The database file behind a ``sqlite:///`` URI, ``None`` for any other kind of store."""
    return Path(uri.removeprefix(_SQLITE).partition("?")[0]) if uri.startswith(_SQLITE) else None


def resolved(uri: str) -> str:
    """The same store by a URI that does not depend on the working folder.

    Raises:
        UserError: MLflow 3 has no store of this kind, or it would not outlive the process.
    """
    try:
        scheme = urlsplit(uri).scheme
    except ValueError as error:
        raise UserError(f"The tracking URI {redact(uri)!r} cannot be read: {error}.") from error
    kind = scheme.partition("+")[0]
    if kind in ("", "file"):
        raise UserError(
            f"The tracking URI {redact(uri)!r} is a folder, a kind of store that MLflow has given up: "
            f"use a database such as {default_uri(Path.cwd())} (mlflow migrate-filestore moves old records)."
        )
    if kind == "sqlite":
        path = sqlite_path(uri)
        if path is None or path.name in ("", ":memory:") or str(path).startswith("file:"):
            raise UserError(f"The tracking URI {uri!r} names no file: write sqlite:////absolute/path/mlflow.db.")
        _, mark, query = uri.partition("?")
        return f"{_SQLITE}{path.expanduser().resolve()}{mark}{query}"
    if kind not in (*DATABASES, "http", "https", "databricks"):
        allowed = ", ".join(f"{name}://" for name in (*DATABASES, "http", "https"))
        raise UserError(f"The tracking URI {redact(uri)!r} starts with none of {allowed}.")
    return uri.rstrip("/")


def store_lock(uri: str) -> FileLock:
    """The lock that writers of one store share.

    It lies beside a SQLite file, so that it holds wherever the file is seen, and in the machine's temporary folder
    for a server.
    """
    path = sqlite_path(uri)
    if path is not None and path.parent.is_dir():
        return FileLock(f"{path}.lock", timeout=_LOCK_SECONDS)
    name = f"pruneexp-tracking-{os.getuid()}-{hashlib.sha256(uri.encode()).hexdigest()[:16]}.lock"
    return FileLock(Path(tempfile.gettempdir()) / name, timeout=_LOCK_SECONDS)


def open_client(uri: str) -> MlflowClient:
    """Check that the store of a resolved ``uri`` answers, make the database where there is none, and connect.

    Raises:
        UserError: unreachable, not writable, not MLflow's, or of another MLflow version's schema.
    """
    # To be set before the first import of mlflow: it phones out otherwise, and prints a line for every run.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # MLflow's client tries seven times, for four minutes, also what must not be done twice, such as making a run. Here
    # what was not written stays owed and is tried again under its key.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    if urlsplit(uri).scheme in ("http", "https"):
        _probe(uri)
    # MLflow logs the traceback of what ``explained`` says in a sentence, and alembic each of some sixty migrations.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with explained(uri, "opened"):
        from mlflow.tracking import MlflowClient

        if not is_database(uri):
            return MlflowClient(uri)
        path = sqlite_path(uri)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        with store_lock(uri):
            if path is not None and (not path.exists() or path.stat().st_size == 0):
                create_database(path, lambda temporary: MlflowClient(f"{_SQLITE}{temporary}"))
            check_database(uri, redact(uri))
            return MlflowClient(uri)


def answers(uri: str) -> bool:
    """Whether the store of a resolved ``uri`` that was in trouble can be written again; told within seconds."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        if is_database(uri):
            with store_lock(uri).acquire(timeout=_AGAIN_SECONDS):
                check_database(uri, redact(uri), busy_seconds=_AGAIN_SECONDS)
        elif urlsplit(uri).scheme in ("http", "https"):
            _probe(uri)
    except (UserError, SQLAlchemyError, OSError):
        return False
    return True


def paged(ask: Callable[[str | None], Sequence[Found]]) -> Iterator[Found]:
    """Everything that a search finds: MLflow truncates silently at a page. ``ask`` is given the token of the next."""
    token: str | None = None
    while True:
        page = ask(token)
        yield from page
        token = getattr(page, "token", None)
        if not token:
            return


@contextlib.contextmanager
def explained(uri: str, done: str) -> Iterator[None]:
    """Turn what MLflow, its database or the disk raise into one sentence without credentials.

    Raises:
        Unreachable: whenever the body raised one of theirs.
        UserError: a package is missing.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except Timeout as error:
        raise Unreachable(
            f"The tracking store {redact(uri)} could not be {done}: another process has held {error.lock_file} "
            f"for {_LOCK_SECONDS:.0f} s."
        ) from error
    except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
        cause = without_driver(error) or redact(_first_line(error))
        kind = UserError if isinstance(error, ImportError) else Unreachable  # a driver does not come by waiting
        raise kind(f"The tracking store {redact(uri)} could not be {done}: {cause.rstrip('.')}.") from error


def _first_line(error: Exception) -> str:
    """What an error says in one line, without SQLAlchemy's remark on when it was raised."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line and not line.startswith("(raised as a result")), type(error).__name__)


def _probe(uri: str) -> None:
    """One short request, because MLflow itself tries for minutes before it gives up."""
    parts = urlsplit(uri)
    host, path = parts.netloc.rpartition("@")[2], parts.path.rstrip("/") + "/health"
    address = urlunsplit((parts.scheme, host, path, "", ""))
    try:
        with urllib.request.urlopen(address, timeout=_PROBE_SECONDS):
            pass
    except urllib.error.HTTPError:
        return  # it answers; whether it lets us in is told by the first real request
    except (OSError, ValueError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        raise Unreachable(
            f"No MLflow server answers at {redact(uri)} ({cause}): start one (mlflow server) or name another store "
            f"(runtime.tracking_uri)."
        ) from error
