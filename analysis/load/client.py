"""Reads any tracking store through MLflow's client, which is imported only when it is needed."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from analysis.load.uris import knock, shown, sqlite_path
from analysis.runs import RawRun, RunKind
from pruneexp.errors import UserError
from pruneexp.schema import KIND

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

PAGE = 10_000  # runs per request; MLflow allows 50,000


class ClientStore:
    """Any tracking store, through MLflow's client."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client = _client(uri)

    def experiments(self) -> Sequence[str]:
        return sorted(experiment.name for experiment in self._experiments())

    def runs(self, kind: RunKind, experiments: Sequence[str]) -> Sequence[RawRun]:
        from mlflow.exceptions import MlflowException

        names = {item.experiment_id: item.name for item in self._experiments() if item.name in experiments}
        runs: list[RawRun] = []
        token: str | None = None
        try:
            while names:
                page = self._client.search_runs(
                    list(names),
                    f"tags.`{KIND}` = '{kind}'",
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

    def artefact(self, run_id: str, name: str) -> str:
        from mlflow.exceptions import MlflowException

        try:
            with TemporaryDirectory() as folder:
                return Path(self._client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")
        except MlflowException as error:
            raise OSError(_first_line(error)) from error

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


def _client(uri: str) -> MlflowClient:
    knock(uri)
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # its advice on servers is no business of a reader
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # files of a few kilobytes, one per scan
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    path = sqlite_path(uri)
    try:
        return MlflowClient(tracking_uri=uri if path is None else f"sqlite:///{path}")
    except (MlflowException, ImportError) as error:
        raise _unreadable(uri, error) from error


def _unreadable(uri: str, error: Exception) -> UserError:
    return UserError(f"the tracking store {shown(uri)} cannot be read: {_first_line(error)}.")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
