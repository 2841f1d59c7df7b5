"""Opens the tracking store at a URI by the quickest reader that can be trusted with it."""

from __future__ import annotations

from analysis.records.client import ClientStore
from analysis.records.runs import TrackingStore
from analysis.records.sqlite import SqliteStore
from analysis.records.uris import DEFAULT_URI, kept_path, local_folder, sqlite_path
from pruneexp.errors import UserError


def open_store(uri: str = DEFAULT_URI) -> TrackingStore:
    """Open a tracking store for reading.

    Raises:
        UserError: there is none at ``uri``, it does not answer within 5 s, or it is not a store of MLflow's.
    """
    if (file := kept_path(uri)) is not None:
        from analysis.records.kept import KeptStore  # pyarrow takes 0.1 s

        return KeptStore(file).check()
    path = sqlite_path(uri)
    if path is None:
        _refuse_folder(uri)
        return ClientStore(uri)
    if not path.is_file():
        raise UserError(
            f"{path.name} not found in {path.absolute().parent}: run an experiment there first "
            "(`python -m pruneexp`), or name the store with --tracking-uri."
        )
    store = SqliteStore(path, client=lambda: ClientStore(uri))
    return store if store.familiar() else ClientStore(uri)


def _refuse_folder(uri: str) -> None:
    """Refuse what MLflow's client would take for a store of files, which MLflow has given up, or make a database for.

    Raises:
        UserError: the URI is empty, or a folder.
    """
    folder = local_folder(uri)
    if uri.strip() and folder is None:
        return
    inside = folder / "mlflow.db" if folder else None
    meant = f" (did you mean sqlite:///{inside.absolute()}?)" if inside and inside.is_file() else ""
    raise UserError(
        f"--tracking-uri {uri!r} is neither a database, such as sqlite:///mlflow.db, "
        f"nor the address of a server, such as http://127.0.0.1:5000{meant}."
    )
