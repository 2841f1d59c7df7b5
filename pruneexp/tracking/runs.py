"""Runs of one MLflow experiment: found, made and filled within MLflow's limits.

Knows MLflow's client and the shape of keys and texts; knows neither points nor curves.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pruneexp import schema
from pruneexp.errors import UserError, redact
from pruneexp.tracking.naming import PARAM_LIMIT, TAG_LIMIT, legal_key, within
from pruneexp.tracking.stores import PAGE, paged, sqlite_path, store_lock

if TYPE_CHECKING:
    from filelock import FileLock
    from mlflow.entities import Experiment, Run
    from mlflow.tracking import MlflowClient

#: The tag that puts a run under another one in the dashboard.
PARENT = "mlflow.parentRunId"
_COMMIT = "mlflow.source.git.commit"
#: Most metrics in one request.
_BATCH = 1000


#: Conditions that runs meet: values by ``tags.KEY``, ``params.KEY``, ``attributes.status`` or ``.run_id``.
Where = Mapping[str, str]
#: Which runs are looked at, as MLflow names it.
View = Literal["active_only", "all"]


class Value(NamedTuple):
    """A number of a series: the value of ``name`` at ``step``."""

    name: str
    value: float
    step: int = 0


class NewRun(NamedTuple):
    """A run to be written, whole: ``params`` as they are known, ``files`` by name, and how it ended."""

    name: str
    tags: Mapping[str, str]
    params: Mapping[str, Any]
    values: Sequence[Value] = ()
    files: Mapping[str, str] = {}
    status: str = "FINISHED"


class Runs:
    """Writer of the runs of one experiment; what writes holds the ``lock`` of its store, which lies beside a file.

    ``made`` tells the experiment from every other that ever had its name.

    Raises:
        UserError: the experiment lies deleted.
    """

    def __init__(self, client: MlflowClient, uri: str, experiment: str, lock: FileLock | None = None) -> None:
        self.client, self.uri = client, uri
        self.lock = store_lock(uri) if lock is None or sqlite_path(uri) is not None else lock
        with self.lock:
            found = client.get_experiment_by_name(experiment) or self._new_experiment(experiment)
        if found.lifecycle_stage != "active":
            raise UserError(
                f"The experiment {experiment!r} lies deleted in {redact(uri)}: bring it back with 'mlflow experiments "
                f"restore --experiment-id {found.experiment_id}' or record under another name."
            )
        self.made, self.experiment_id = f"{found.experiment_id} {found.creation_time}", str(found.experiment_id)
        self.artifacts = str(found.artifact_location).rstrip("/")

    def find(self, where: Where, view: View = "active_only", page: int | None = None) -> Iterator[Run]:
        """Every run of a view that meets the conditions, the newest first; asked for ``page`` at a time."""
        from mlflow.entities import ViewType

        parts = ((*name.split(".", 1), value) for name, value in where.items())
        query = " and ".join(f"{place}.`{key}` = {quoted(value)}" for place, key, value in parts)
        kind, of, most = ViewType.from_string(view), [self.experiment_id], page or PAGE
        return paged(lambda token: self.client.search_runs(of, query, kind, max_results=most, page_token=token))

    def has(self, where: Where) -> bool:
        """Whether an active run meets the conditions."""
        return next(self.find(where, page=1), None) is not None

    def create(self, name: str, tags: Mapping[str, str], began: int | None = None) -> Run:
        """Make a run; ``began`` is in milliseconds since 1970, by default now."""
        texts = {legal_key(key): within(redact(str(value)), TAG_LIMIT) for key, value in tags.items()}
        return self.client.create_run(self.experiment_id, start_time=began, run_name=name, tags=texts)

    def add(self, new: NewRun, began: int | None = None) -> Run:
        """Make a run, fill it and say how it ended; it ``began`` in milliseconds since 1970, by default now."""
        run = self.create(new.name, new.tags, began)
        self.fill(run, new.params, new.values, new.files, run.info.start_time)
        self.end(run, new.status)
        return run

    def fill(
        self,
        run: Run,
        params: Mapping[str, Any],
        metrics: Sequence[Value],
        files: Mapping[str, str | bytes],
        at: int | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Files first, then all numbers: what a reader finds FINISHED is whole.

        The numbers are of the moment ``at``, in milliseconds since 1970, by default now.
        """
        from mlflow.entities import Metric, Param, RunTag

        self.write(run.info.artifact_uri, files)
        moment = int(time.time() * 1000) if at is None else at
        numbers = [Metric(legal_key(name), float(value), moment, step) for name, value, step in metrics]
        told = [Param(legal_key(key), within(text, PARAM_LIMIT)) for key, text in texts(params).items()]
        notes = [RunTag(key, text) for key, text in (tags or {}).items()]
        self.client.log_batch(run.info.run_id, metrics=numbers[:_BATCH], params=told, tags=notes)
        for start in range(_BATCH, len(numbers), _BATCH):
            self.client.log_batch(run.info.run_id, metrics=numbers[start : start + _BATCH])

    def end(self, run: Run, status: str) -> None:
        """Say how a run ended; never before it began, also where the clock was set back meanwhile."""
        now = int(time.time() * 1000)
        self.client.set_terminated(run.info.run_id, status, max(now, run.info.start_time))

    def _new_experiment(self, name: str) -> Experiment:
        from mlflow.exceptions import MlflowException

        database, location = sqlite_path(self.uri), None
        if database is not None:
            folder = legal_key(name).replace("/", "-").replace(" ", "_")
            location = (database.parent.resolve() / "mlruns" / folder).as_uri()
        try:
            return self.client.get_experiment(self.client.create_experiment(name, location))
        except MlflowException:
            made = self.client.get_experiment_by_name(name)
            if made is None:
                raise  # else another machine made it since we looked
            return made

    def write(self, artifact_uri: str, files: Mapping[str, str | bytes]) -> None:
        """Put files into the folder of a run, in place of those of the same name."""
        # Not client.log_text: it reads the whole run again to learn where its files go (5 of 11 ms).
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        if not files:
            return
        repository = get_artifact_repository(artifact_uri, tracking_uri=self.uri)
        with tempfile.TemporaryDirectory(prefix="pruneexp-") as folder:
            for name, content in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.encode() if isinstance(content, str) else content)
            repository.log_artifacts(folder)  # type: ignore[no-untyped-call]


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as params, without credentials; absent ones left out."""
    return {key: redact(str(value)) for key, value in values.items() if value is not None}


def source(environment: Mapping[str, Any]) -> dict[str, str]:
    """Tags that say who and which revision made a run."""
    tags = {"mlflow.source.name": "pruneexp", "mlflow.source.type": "LOCAL"}
    commit = (environment.get("git") or {}).get("commit", "unknown")
    if commit != "unknown":
        tags[_COMMIT] = commit
    with contextlib.suppress(KeyError, OSError, ImportError):  # a container's user id may have no name
        tags["mlflow.user"] = getpass.getuser()
    return tags


def about(config_yaml: str, environment: Mapping[str, Any]) -> dict[str, str]:
    """Files that say under what a run was made."""
    return {
        schema.CONFIG_FILE: redact(config_yaml),
        schema.ENVIRONMENT_FILE: json.dumps(environment, indent=1, sort_keys=True, default=str),
    }


def quoted(value: str) -> str:
    """A key within a query.

    Raises:
        ValueError: it holds a quote or a backslash.
    """
    if "'" in value or "\\" in value:
        raise ValueError(f"a key may hold neither quotes nor backslashes, got {value!r}")
    return f"'{value}'"
