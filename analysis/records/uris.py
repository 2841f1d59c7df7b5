"""Where a tracking store is: URIs as people write them, told apart and knocked at.

Knows nothing of what is in a store.
"""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, url2pathname

from pruneexp.errors import UserError

DEFAULT_URI = "sqlite:///mlflow.db"
#: The folder of local copies.
COPIES = Path(".pruneexp/analysis")
PATIENCE_SECONDS = 5.0
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}


def sqlite_path(uri: str) -> Path | None:
    """The file of a SQLite URI or of a plain path to a file, else ``None``."""
    if kept_path(uri) is not None:
        return None
    scheme, separator, rest = uri.partition(":///")
    if separator and scheme == "sqlite":
        return Path(rest.partition("?")[0])
    if "://" not in uri and (uri.endswith(".db") or Path(uri).is_file()):
        return Path(uri)
    return None


def kept_path(uri: str) -> Path | None:
    """The file of kept records (``analysis.records.kept``), else ``None``."""
    return Path(uri) if "://" not in uri and uri.endswith(".parquet") else None


def local_folder(uri: str) -> Path | None:
    """The folder of a ``file:`` URI or of a plain path, else ``None``: the artefacts lie somewhere else."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(uri) if uri and not parts.scheme else None


def knock(uri: str) -> None:
    """Fail within seconds where no server listens; MLflow's own retries go on for minutes.

    Raises:
        UserError: no server answers at this address.
    """
    try:
        parts = urlsplit(uri)
        scheme, port = parts.scheme.split("+")[0], parts.port
    except ValueError as error:
        raise UserError(f"--tracking-uri {uri} cannot be read: {error}.") from error
    if not parts.hostname or scheme not in PORTS or scheme in getproxies():
        return
    try:
        socket.create_connection((parts.hostname, port or PORTS[scheme]), timeout=PATIENCE_SECONDS).close()
    except OSError as error:
        raise UserError(
            f"the tracking server {parts.hostname} does not answer ({error}): start it, or mend --tracking-uri."
        ) from error
