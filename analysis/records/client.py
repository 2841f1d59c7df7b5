"""Reads any tracking store through MLflow's client, which is imported only when it is needed."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from analysis.records import artefacts, presence
from analysis.records.artefacts import Carrier
from analysis.records.runs import PARENT, Changes, Known, PointsFile, RawRun, RunKind, Stamp, last_ended
from analysis.records.uris import knock, sqlite_path
from pruneexp.errors import UserError, first_line, redact, without_driver
from pruneexp.schema import KIND

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

CARRIERS = 100  # runs of curves per request, for their files are fetched meanwhile
PAGE = 1_000  # runs per request: a server needs more than MLflow's 120 s of patience for 10,000 of them


class ClientStore:
    """Any tracking store, through MLflow's client."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._client = _client(uri)

    def experiments(self) -> Mapping[str, str]:
        return dict(sorted((experiment.name, str(experiment.experiment_id)) for experiment in self._experiments()))

    def runs(self, kind: RunKind, experiments: Sequence[str]) -> Sequence[RawRun]:
        names = self._names(experiments)
        found = self._search(names, _of(kind)) if names else []
        return [_raw(run, names) for run in found]

    def tagged(self, tag: str, kind: RunKind, experiments: Sequence[str]) -> Mapping[str, str]:
        names = self._names(experiments)
        found = self._search(names, f"{_of(kind)} and tags.`{tag}` != ''") if names else []
        return {run.info.run_id: run.data.tags[tag] for run in found}

    def changes(self, kind: RunKind, experiments: Sequence[str], known: Known) -> Changes:
        names = self._names(experiments)
        found = presence.look(partial(self._search, names), _of(kind), known) if names else presence.Found()
        fresh = [(Stamp(run.info.experiment_id, run.info.end_time or 0), _raw(run, names)) for run in found.fresh]
        return Changes(found.same, fresh)

    def points_files(self, experiments: Sequence[str], known: Known) -> Iterator[PointsFile]:
        """Those of the runs that ended last come first; after a page of runs without a file no more are asked."""
        last = last_ended(known)
        for experiment, kind in product(self._names(experiments), ("curve", "study")):
            condition = f"{_of(kind)} and attributes.end_time > {last.get(experiment, 0)}"
            for runs in self._pages([experiment], condition, CARRIERS, "attributes.end_time DESC"):
                files = artefacts.files([Carrier(run.info.run_id, run.info.artifact_uri) for run in runs], self._uri)
                yield from files
                if not any(isinstance(file.content, bytes) for file in files):
                    break

    def points_files_over(self, run_id: str) -> Sequence[PointsFile]:
        from mlflow.exceptions import MlflowException

        try:
            parent = self._client.get_run(run_id).data.tags.get(PARENT)
            info = self._client.get_run(parent).info if parent else None
        except MlflowException as error:
            raise _unreadable(self._uri, error) from error
        return artefacts.files([Carrier(info.run_id, info.artifact_uri)], self._uri) if info else ()

    def artefact(self, run_id: str, name: str) -> str:
        from mlflow.exceptions import MlflowException

        try:
            with TemporaryDirectory() as folder:
                return Path(self._client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")
        except MlflowException as error:
            raise OSError(first_line(error).rstrip(".")) from error

    def course(self, run_id: str, name: str) -> Mapping[int, float]:
        from mlflow.exceptions import MlflowException

        try:
            history = self._client.get_metric_history(run_id, name)
        except MlflowException as error:
            raise _unreadable(self._uri, error) from error
        ordered = sorted(history, key=lambda one: (one.step, one.timestamp))
        return {one.step: one.value for one in ordered if one.value == one.value}

    def _names(self, experiments: Sequence[str]) -> dict[str, str]:
        """Experiments by id."""
        return {item.experiment_id: item.name for item in self._experiments() if item.name in experiments}

    def _search(
        self, experiments: Iterable[str], condition: str, deleted: bool = False, at: int | None = None
    ) -> list[Run]:
        """Every run that meets the condition; only the one ``at`` a place of their order where that is given."""
        pages = self._pages(experiments, condition, PAGE if at is None else 1, deleted=deleted, at=at or 0)
        return [run for page in pages for run in page] if at is None else list(next(pages))

    def _pages(
        self, experiments: Iterable[str], condition: str, size: int, order: str = "attributes.run_id ASC",
        deleted: bool = False, at: int = 0,
    ) -> Iterator[Sequence[Run]]:  # fmt: skip
        """The runs that meet the condition in pages of this size, from the one ``at`` a place of their order."""
        from mlflow.entities import ViewType
        from mlflow.exceptions import MlflowException
        from mlflow.utils.search_utils import SearchUtils

        token = SearchUtils.create_page_token(at) if at else None  # type: ignore[no-untyped-call]  # 0 is refused
        view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
        try:
            while True:
                page = self._client.search_runs(list(experiments), condition, view, size, [order], token)
                yield page
                token = page.token
                if not token:
                    return
        except MlflowException as error:
            raise _unreadable(self._uri, error) from error

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

    from pruneexp.tracking.databases import is_database

    path = sqlite_path(uri)
    uri = uri if path is None else f"sqlite:///{path}"
    try:
        if is_database(uri):
            _look_first(uri)
        return MlflowClient(tracking_uri=uri)
    except (MlflowException, ImportError) as error:
        raise _unreadable(uri, error) from error


def _look_first(uri: str) -> None:
    """Refuse a database to which MLflow's client would add tables, as it does to any that lacks some.

    Raises:
        UserError: it is not MLflow's, has another version's schema, or refuses the connection.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from pruneexp.tracking.databases import check_schema, connected

    try:
        with connected(uri) as connection:
            check_schema(connection, redact(uri))
    except SQLAlchemyError as error:
        raise _unreadable(uri, error) from error


def _of(kind: str) -> str:
    return f"tags.`{KIND}` = '{kind}'"


def _raw(run: Run, names: Mapping[str, str]) -> RawRun:
    info, data = run.info, run.data
    head = (info.run_id, names[info.experiment_id], info.status, info.start_time or 0)
    return RawRun(*head, data.params, data.metrics, data.tags)


def _unreadable(uri: str, error: Exception) -> UserError:
    reason = without_driver(error) or first_line(error).rstrip(".")
    return UserError(f"the tracking store {uri} cannot be read: {reason}.")
