"""Runs of curves and points: written once, completely, whatever is repeated or killed.

A point's run is FINISHED only when everything is in it. Whatever else is found under its key, from a killed process
or an earlier failure, gives way to the new run, so there is never more than one run of a point. Searching and writing
happen under the store's lock; on several machines that write the same point to one server at the same moment, the
lock of each does not see the other.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pruneexp import schema
from pruneexp.errors import UserError
from pruneexp.tracking.naming import PARAM_LIMIT, TAG_LIMIT, curve_name, legal_key, point_name, within
from pruneexp.tracking.stores import explained, open_client, redact, resolved, sqlite_path, store_lock

if TYPE_CHECKING:
    from mlflow.entities import Run

_PARENT = "mlflow.parentRunId"
_COMMIT = "mlflow.source.git.commit"
_PAGE = 1000
#: Full text of params and tags that MLflow would have cut.
LONG_TEXT_FILE = "long_text.json"


class Tracker:
    """Writer of one experiment of one tracking store."""

    def __init__(self, uri: str, experiment: str, *, artifacts: Path | None = None) -> None:
        """Open the store, making database and experiment where they are missing.

        Args:
            experiment: its name.
            uri: ``sqlite:///`` and a path, ``http(s)://`` of a server, or a database server's URI.
            artifacts: folder for files; by default ``mlruns`` beside a SQLite file, else what the server decides.

        Raises:
            UserError: the store cannot be used, or an experiment of this name lies deleted in it.
        """
        self.uri = resolved(uri)
        self._client = open_client(self.uri)
        self._lock = store_lock(self.uri)
        self._sources: dict[str, dict[str, str]] = {}
        with explained(self.uri, "asked for its experiments"), self._lock:
            self.experiment_id = self._open_experiment(experiment, artifacts)

    def curve(
        self,
        curve_key: str,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        config_yaml: str,
        environment: Mapping[str, Any],
    ) -> str:
        """Run id of the curve, made or found again by its key; what a killed process left out of it is added.

        ``environment`` is what ``pruneexp.provenance.environment`` returns; its git commit is put on the points too.
        """
        with explained(self.uri, "written"), self._lock:
            found = list(self._runs(f"tags.`{schema.CURVE_KEY}` = {_quoted(curve_key)} and {_kind('curve')}"))
            source = _source(environment)
            if found:
                run = found[0]
                self._client.update_run(run.info.run_id, status="RUNNING")
            else:
                own = {schema.KIND: "curve", schema.CURVE_KEY: curve_key, schema.SCHEMA: schema.SCHEMA_VERSION}
                run = self._create(name or curve_name(params), {**tags, **source, **own})
            present = {file.path for file in self._client.list_artifacts(run.info.run_id)} if found else set()
            files = {
                schema.CONFIG_FILE: redact(config_yaml),
                schema.ENVIRONMENT_FILE: json.dumps(environment, indent=1, sort_keys=True, default=str),
            }
            missing = {key: value for key, value in _texts(params).items() if legal_key(key) not in run.data.params}
            self._fill(run, missing, {}, {name: text for name, text in files.items() if name not in present})
            self._sources[run.info.run_id] = source
            return str(run.info.run_id)

    def logged(self, curve_run: str) -> set[str]:
        """Keys of the points of this curve that are recorded completely."""
        with explained(self.uri, "read"):
            runs = self._runs(f"tags.`{_PARENT}` = {_quoted(curve_run)} and attributes.status = 'FINISHED'")
            return {run.data.tags[schema.POINT_KEY] for run in runs if schema.POINT_KEY in run.data.tags}

    def log_point(
        self, curve_run: str, point: schema.TradeoffPoint, tags: Mapping[str, str] | None = None
    ) -> str | None:
        """Record one point under its curve; ``None`` where it is recorded already.

        Identity becomes params, numbers become metrics, the rows of the layers ``layers.json`` (a list of objects).
        """
        identity = schema.flatten(point.identity)
        notes = dict(tags or {})
        if point.collapsed:
            notes[schema.COLLAPSE] = ",".join(point.collapsed)
        if point.density_missed:
            notes[schema.DENSITY_MISSED] = "true"
        rows = json.dumps([schema.flatten(row) for row in point.layers], indent=1)
        with explained(self.uri, "written"), self._lock:
            run = self._new_point(curve_run, identity, notes)
            if run is None:
                return None
            self._fill(run, _texts(identity), schema.flatten(point.result), {schema.LAYERS_FILE: rows})
            self._client.set_terminated(run.info.run_id, "FINISHED")
            return str(run.info.run_id)

    def log_failure(self, curve_run: str, identity: Mapping[str, Any], reason: str) -> str | None:
        """Record that a point failed, and why; ``None`` where it is recorded as complete.

        Args:
            curve_run: run id of its curve.
            reason: one sentence.
            identity: as much of the flat ``PointIdentity`` as is known.

        Raises:
            ValueError: ``point_key`` is not in ``identity``.
        """
        if "point_key" not in identity:
            raise ValueError(f"a failed point needs its 'point_key', got {', '.join(identity) or 'nothing'}")
        notes = {schema.FAILURE: reason, "mlflow.note.content": reason}
        with explained(self.uri, "written"), self._lock:
            run = self._new_point(curve_run, identity, notes)
            if run is None:
                return None
            self._fill(run, _texts(identity), {}, {})
            self._client.set_terminated(run.info.run_id, "FAILED")
            return str(run.info.run_id)

    def close_curve(self, curve_run: str, status: Literal["FINISHED", "FAILED", "KILLED"]) -> None:
        """Say how the curve ended."""
        with explained(self.uri, "written"), self._lock:
            self._client.set_terminated(curve_run, status)

    def _open_experiment(self, name: str, artifacts: Path | None) -> str:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            return str(self._client.create_experiment(name, self._artifact_location(name, artifacts)))
        if experiment.lifecycle_stage != "active":
            raise UserError(
                f"The experiment {name!r} lies deleted in {redact(self.uri)}: bring it back with 'mlflow experiments "
                f"restore --experiment-id {experiment.experiment_id}' or record under another name."
            )
        return str(experiment.experiment_id)

    def _artifact_location(self, experiment: str, artifacts: Path | None) -> str | None:
        database = sqlite_path(self.uri)
        if artifacts is None and database is not None:
            artifacts = database.parent / "mlruns"
        if artifacts is None:
            return None
        return (artifacts.resolve() / legal_key(experiment).replace("/", "-").replace(" ", "_")).as_uri()

    def _new_point(self, curve_run: str, identity: Mapping[str, Any], notes: Mapping[str, str]) -> Run | None:
        key = str(identity["point_key"])
        for earlier in list(self._runs(f"tags.`{schema.POINT_KEY}` = {_quoted(key)}")):
            if earlier.info.status != "FINISHED":
                self._client.delete_run(earlier.info.run_id)
                continue
            if earlier.data.tags.get(_PARENT) != curve_run:  # its curve was deleted and is made again
                self._client.set_tag(earlier.info.run_id, _PARENT, curve_run)
            return None
        own = {
            _PARENT: curve_run,
            schema.KIND: "point",
            schema.POINT_KEY: key,
            schema.SCHEMA: schema.SCHEMA_VERSION,
        }
        if "curve_key" in identity:
            own[schema.CURVE_KEY] = str(identity["curve_key"])
        return self._create(point_name(identity), {**notes, **self._sources.get(curve_run, {}), **own})

    def _create(self, name: str, tags: Mapping[str, str]) -> Run:
        texts = {legal_key(key): str(value) for key, value in tags.items()}
        run = self._client.create_run(
            self.experiment_id,
            run_name=name,
            tags={key: within(text, TAG_LIMIT) for key, text in texts.items()},
        )
        self._write_long(run, texts, TAG_LIMIT)
        return run

    def _fill(
        self, run: Run, params: Mapping[str, str], metrics: Mapping[str, float], files: Mapping[str, str]
    ) -> None:
        """Files first and all numbers in one batch: what a reader finds FINISHED is whole."""
        from mlflow.entities import Metric, Param

        self._write(run, files)
        self._write_long(run, params, PARAM_LIMIT)
        now = int(time.time() * 1000)
        self._client.log_batch(
            run.info.run_id,
            metrics=[Metric(key, float(value), now, 0) for key, value in metrics.items()],
            params=[Param(legal_key(key), within(text, PARAM_LIMIT)) for key, text in params.items()],
        )

    def _write_long(self, run: Run, texts: Mapping[str, str], limit: int) -> None:
        long = {key: text for key, text in texts.items() if len(text) > limit}
        if long:
            kind = "tags" if limit == TAG_LIMIT else "params"
            self._write(run, {f"{kind}/{LONG_TEXT_FILE}": json.dumps(long, indent=1)})

    def _write(self, run: Run, files: Mapping[str, str]) -> None:
        # Not client.log_text: it reads the whole run again to learn where its files go (5 of 11 ms).
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        if not files:
            return
        repository = get_artifact_repository(run.info.artifact_uri, tracking_uri=self.uri)
        with tempfile.TemporaryDirectory(prefix="pruneexp-") as folder:
            for name, text in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                inner = str(Path(name).parent) if "/" in name else None
                repository.log_artifact(str(path), inner)  # type: ignore[no-untyped-call]

    def _runs(self, query: str) -> Iterator[Run]:
        """Every active run that matches: MLflow truncates silently at a page."""
        token: str | None = None
        while True:
            page: Sequence[Run] = self._client.search_runs(
                [self.experiment_id], query, max_results=_PAGE, page_token=token
            )
            yield from page
            token = getattr(page, "token", None)
            if not token:
                return


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: redact(str(value)) for key, value in values.items() if value is not None}


def _source(environment: Mapping[str, Any]) -> dict[str, str]:
    source = {"mlflow.source.name": "pruneexp", "mlflow.source.type": "LOCAL"}
    commit = (environment.get("git") or {}).get("commit", "unknown")
    if commit != "unknown":
        source[_COMMIT] = commit
    with contextlib.suppress(KeyError, OSError, ImportError):  # a container's user id may have no name
        source["mlflow.user"] = getpass.getuser()
    return source


def _kind(kind: str) -> str:
    return f"tags.`{schema.KIND}` = '{kind}'"


def _quoted(value: str) -> str:
    if "'" in value or "\\" in value:
        raise ValueError(f"a key may hold neither quotes nor backslashes, got {value!r}")
    return f"'{value}'"
