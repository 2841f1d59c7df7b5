"""The one reader of the tracking store: point runs in, typed trade-off points out.

SQLite files, the default, are read directly (``sqlite_store`` says why); servers and other databases through MLflow's
client. Nothing is ever written to the store, and a store that is missing is not created.
"""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from analysis.runs import Logbook, LoggedPoint, RawRun, Store
from analysis.sqlite_store import SqliteStore
from pruneexp.errors import UserError
from pruneexp.schema import (
    COLLAPSE,
    FAILURE,
    KIND,
    LAYERS_FILE,
    LayerRow,
    PointIdentity,
    PointResult,
    TradeoffPoint,
    unflatten,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

DEFAULT_URI = "sqlite:///mlflow.db"
PAGE = 10_000  # runs per request; MLflow allows 50,000
PATIENCE_SECONDS = 5.0
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}


class ClientStore:
    """Any tracking store, through MLflow's client."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client = _client(uri)

    def experiments(self) -> Sequence[str]:
        return sorted(experiment.name for experiment in self._experiments())

    def point_runs(self, experiments: Sequence[str]) -> Sequence[RawRun]:
        from mlflow.exceptions import MlflowException

        names = {item.experiment_id: item.name for item in self._experiments() if item.name in experiments}
        runs: list[RawRun] = []
        token: str | None = None
        try:
            while names:
                page = self._client.search_runs(
                    list(names),
                    f"tags.`{KIND}` = 'point'",
                    max_results=PAGE,
                    order_by=["attributes.run_id ASC"],
                    page_token=token,
                )
                for run in page:
                    info, data = run.info, run.data
                    head = (info.run_id, names[info.experiment_id], info.status, info.start_time or 0)
                    runs.append(RawRun(*head, data.params, data.metrics, data.tags))
                token = page.token
                if not token:
                    break
        except MlflowException as error:
            raise _unreadable(self._uri, error) from error
        return runs

    def _experiments(self) -> list[Experiment]:
        from mlflow.exceptions import MlflowException

        found: list[Experiment] = []
        token: str | None = None
        try:
            while True:
                page = self._client.search_experiments(page_token=token)
                found += page
                token = page.token
                if not token:
                    return found
        except MlflowException as error:
            raise _unreadable(self._uri, error) from error


def open_store(uri: str = DEFAULT_URI) -> Store:
    """Open a tracking store for reading.

    Raises:
        UserError: there is none at ``uri``, it does not answer within 5 s, or it is not a store of MLflow's.
    """
    path = _sqlite_path(uri)
    if path is None:
        return ClientStore(uri)
    if not path.is_file():
        raise UserError(
            f"{path.name} not found in {path.absolute().parent}: run an experiment there first "
            "(`python -m pruneexp`), or name the store with --tracking-uri."
        )
    store = SqliteStore(path)
    return store if store.familiar() else ClientStore(uri)


def load(uri: str = DEFAULT_URI, experiments: Sequence[str] | None = None) -> Logbook:
    """Every finished point of the named experiments (``None``: of all), in the order of their run ids.

    Raises:
        UserError: the store cannot be read, or has no experiment of that name.
    """
    store = open_store(uri)
    existing = store.experiments()
    for name in experiments or ():
        if name not in existing:
            raise UserError(
                f"{_shown(uri)} has no experiment {name!r}; it has {', '.join(existing) or 'none'} (--experiment)."
            )
    points: list[LoggedPoint] = []
    unreadable: list[str] = []
    failed: list[str] = []
    unfinished: list[str] = []
    for run in sorted(store.point_runs(existing if experiments is None else experiments)):
        if run.status == "FAILED":
            failed.append(f"run {run.run_id} failed: {run.tags.get(FAILURE, 'no reason was logged')}")
        elif run.status != "FINISHED":
            unfinished.append(f"run {run.run_id} is {run.status}")
        else:
            try:
                points.append(LoggedPoint(run.run_id, run.experiment, run.started, _typed(run)))
            except KeyError as error:
                unreadable.append(f"run {run.run_id} is left out: it has no {error.args[0]}")
            except ValueError as error:
                unreadable.append(f"run {run.run_id} is left out: {error}")
    return Logbook(tuple(points), tuple(unreadable), tuple(failed), tuple(unfinished))


def layers(uri: str, run_id: str) -> tuple[LayerRow, ...]:
    """The per-layer table of one point, from its artefact.

    Raises:
        UserError: the run has no such artefact, or it cannot be read.
    """
    from mlflow.exceptions import MlflowException

    try:
        local = _client(uri).download_artifacts(run_id, LAYERS_FILE)
        rows = json.loads(Path(local).read_text(encoding="utf-8"))
        return tuple(unflatten(LayerRow, row) for row in rows)
    except (MlflowException, OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{LAYERS_FILE} of run {run_id} cannot be read: {error}.") from error


def _typed(run: RawRun) -> TradeoffPoint:
    collapsed = tuple(layer for layer in run.tags.get(COLLAPSE, "").split(",") if layer)
    identity = unflatten(PointIdentity, run.params)
    return TradeoffPoint(identity=identity, result=unflatten(PointResult, run.metrics), collapsed=collapsed)


def _sqlite_path(uri: str) -> Path | None:
    """The file of a SQLite URI or of a plain path to a file, else ``None``."""
    scheme, separator, rest = uri.partition(":///")
    if separator and scheme == "sqlite":
        return Path(rest.partition("?")[0])
    if "://" not in uri and (uri.endswith(".db") or Path(uri).is_file()):
        return Path(uri)
    return None


def _client(uri: str) -> MlflowClient:
    _knock(uri)
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # its advice on servers is no business of a reader
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    path = _sqlite_path(uri)
    try:
        return MlflowClient(tracking_uri=uri if path is None else f"sqlite:///{path}")
    except (MlflowException, ImportError) as error:
        raise _unreadable(uri, error) from error


def _knock(uri: str) -> None:
    """Fail within seconds where nobody listens; MLflow's own retries go on for minutes."""
    from urllib.request import getproxies

    parts = urlsplit(uri)
    scheme = parts.scheme.split("+")[0]
    if not parts.hostname or scheme not in PORTS or scheme in getproxies():
        return
    try:
        socket.create_connection((parts.hostname, parts.port or PORTS[scheme]), timeout=PATIENCE_SECONDS).close()
    except OSError as error:
        raise UserError(
            f"the tracking server {parts.hostname} does not answer ({error}): start it, or mend --tracking-uri."
        ) from error


def _unreadable(uri: str, error: Exception) -> UserError:
    first = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return UserError(f"the tracking store {_shown(uri)} cannot be read: {first}.")


def _shown(uri: str) -> str:
    """Without the user and the password that it may carry."""
    return re.sub(r"//[^/@]*@", "//", uri)
