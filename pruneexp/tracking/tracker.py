"""Runs of curves, studies, points and scans: written once, completely, though jobs are repeated or killed.

A point's run is FINISHED only when everything is in it. What else is found under its key, from a killed process
or an earlier failure, gives way to the new run, so there is never more than one run of a point. Searching and writing
happen under the store's lock; machines that write to one server do not see each other's, and settle it afterwards
(``contention``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pruneexp import schema
from pruneexp.tracking import bulk, contention, contents, markdown
from pruneexp.tracking.artefacts import Parent
from pruneexp.tracking.board import Board
from pruneexp.tracking.models import Network, log_network
from pruneexp.tracking.naming import curve_name, legal_key, point_name, scan_name
from pruneexp.tracking.reports import Reports
from pruneexp.tracking.runs import PARENT, Runs, Value, Where, about, source, texts
from pruneexp.tracking.stores import explained, open_client, resolved
from pruneexp.tracking.summaries import COLOUR, run_colour

if TYPE_CHECKING:
    from mlflow.entities import Run

_KIND = f"tags.{schema.KIND}"
#: Tag of the key of each kind of run that holds others.
_PARENTS = {"curve": schema.CURVE_KEY, "study": schema.STUDY_KEY}


class Tracker:
    """Writer of one experiment of one tracking store."""

    def __init__(self, uri: str, experiment: str) -> None:
        """Open the store, making database and experiment where they are missing.

        Files go to ``mlruns`` beside a SQLite file, else where the server decides.

        Args:
            experiment: its name.
            uri: ``sqlite:///`` and a path, ``http(s)://`` of a server, or a database server's URI.

        Raises:
            UserError: the store cannot be used, or an experiment of this name lies deleted in it.
        """
        self.uri = resolved(uri)
        client = open_client(self.uri)
        self._sources: dict[str, dict[str, str]] = {}
        with explained(self.uri, "asked for its experiments"):
            self._runs = Runs(client, self.uri, experiment)

    @property
    def experiment_id(self) -> str:
        return self._runs.experiment_id

    @property
    def made(self) -> str:
        """What tells the experiment from every other that ever had its name."""
        return self._runs.made

    def exists(self, made: str) -> bool:
        """Whether the experiment that ``made`` tells is in the tracking store, under another name."""
        with explained(self.uri, "asked for its experiments"):
            return self._runs.exists(made)

    def begin(self, parent: Parent, status: Literal["RUNNING"] | None = "RUNNING") -> str:
        """Id of its run, made or found again by its key; what a killed process left out of it is added.

        Without a ``status`` a run that is there keeps its own, for records that arrive late.
        """
        key_tag, name = _PARENTS[parent.kind], parent.name or curve_name(parent.params)
        with explained(self.uri, "written"), self._runs.lock:
            where = {f"tags.{key_tag}": parent.key, _KIND: parent.kind}
            found = sorted(self._runs.find(where), key=contention.rank)
            made_by = {**parent.tags, schema.CURVE: name, **source(parent.environment)}
            if found:
                run = found[0]
                if status is not None:
                    self._runs.client.update_run(run.info.run_id, status=status)
            else:
                own = {schema.KIND: parent.kind, key_tag: parent.key, schema.SCHEMA: schema.SCHEMA_VERSION}
                tags = {COLOUR: run_colour(parent.params), **made_by, **own}
                run = self._runs.create(name, tags, parent.recorded)
                run = contention.agree(self._runs, where, run) if self._runs.shared else run
                self._adopt(key_tag, parent, run)
            self._fill(run, parent, old=bool(found))
            self._sources[run.info.run_id] = {**made_by, key_tag: parent.key}
            return str(run.info.run_id)

    def given_up(self, parent: Parent) -> bool:
        """Whether the user has deleted its run and every point of it."""
        where = {f"tags.{_PARENTS[parent.kind]}": parent.key}
        with explained(self.uri, "read"):
            return not self._runs.has(where) and self._runs.has(where, deleted=True)

    def points_of(self, parent: Parent) -> list[bulk.StoredRun]:
        """The finished points of a curve or a study, with their tags."""
        of = {f"tags.{_PARENTS[parent.kind]}": parent.key, _KIND: "point"}
        with explained(self.uri, "read"):
            return bulk.find(self._runs, {**of, "attributes.status": "FINISHED"}, ("tags",))

    def log_point(
        self,
        curve_run: str,
        point: schema.TradeoffPoint,
        tags: Mapping[str, str] | None = None,
        numbers: Mapping[str, float] | None = None,
        recorded: int | None = None,
    ) -> str | None:
        """Record one point under its curve or study; ``None`` where it is recorded already, or the user deleted it.

        It was finished at ``recorded``, in milliseconds since 1970, by default now. Identity becomes params, numbers
        and what follows from them become metrics (``numbers`` adds to them), the rows of the layers ``layers.json``.
        """
        identity = schema.flatten(point.identity)
        where = {f"tags.{schema.POINT_KEY}": point.identity.point_key}
        metrics, files = contents.point_metrics(point, numbers or {}), contents.layers_file(point)
        with explained(self.uri, "written"), self._runs.lock:
            run = self._new_point(curve_run, identity, {**(tags or {}), **contents.remarks(point)}, recorded)
            return None if run is None else self._complete(run, where, texts(identity), metrics, files)

    def log_failure(
        self,
        curve_run: str,
        identity: Mapping[str, Any],
        reason: str,
        tags: Mapping[str, str] | None = None,
        recorded: int | None = None,
    ) -> str | None:
        """Record that a point failed, and why; ``None`` where it is recorded as complete.

        Args:
            curve_run: run id of its curve.
            reason: one sentence.
            identity: as much of the flat ``PointIdentity`` as is known.
            recorded: when it failed, in milliseconds since 1970; by default now.

        Raises:
            ValueError: ``point_key`` is not in ``identity``.
        """
        if "point_key" not in identity:
            raise ValueError(f"a failed point needs its 'point_key', got {', '.join(identity) or 'nothing'}")
        notes = {**(tags or {}), schema.FAILURE: reason, markdown.TAG: reason}
        with explained(self.uri, "written"), self._runs.lock:
            run = self._new_point(curve_run, identity, notes, recorded)
            if run is None:
                return None
            self._runs.fill(run, texts(identity), [], {})
            self._runs.end(run, "FAILED")
            return str(run.info.run_id)

    def log_scan(
        self, scan: schema.Scan, config_yaml: str, environment: Mapping[str, Any], recorded: int | None = None
    ) -> str | None:
        """Record a sensitivity scan; ``None`` where it is recorded already, or the user deleted it.

        Each layer is a series of accuracy changes (points) over its pruned weights (permille); the exact numbers are in
        ``sensitivity.json``.
        """
        identity, where = schema.flatten(scan.identity), {f"tags.{schema.SCAN_KEY}": scan.identity.scan_key}
        files = {**contents.scan_file(scan), **about(config_yaml, environment)}
        with explained(self.uri, "written"), self._runs.lock:
            if self._recorded(where):
                return None
            own = {schema.KIND: "scan", schema.SCAN_KEY: scan.identity.scan_key, schema.SCHEMA: schema.SCHEMA_VERSION}
            doubt = {schema.UNDEFINED: scan.undefined} if scan.undefined else {}
            run = self._runs.create(scan_name(identity), {**source(environment), **doubt, **own}, recorded)
            return self._complete(run, where, texts(identity), contents.scan_metrics(scan), files)

    def update(
        self,
        run_id: str,
        status: Literal["FINISHED", "FAILED", "KILLED"] | None,
        numbers: Mapping[str, float] | None = None,
        files: Mapping[str, bytes] | None = None,
        at: int | None = None,
    ) -> None:
        """Put on the run of a curve or study what it has come to, and how it ended, if it has.

        The numbers are of the moment ``at``, in milliseconds since 1970.
        """
        metrics = [Value(name, value) for name, value in (numbers or {}).items()]
        with explained(self.uri, "written"), self._runs.lock:
            run = self._runs.client.get_run(run_id)
            self._runs.fill(run, {}, metrics, files or {}, at)
            if status is not None:
                self._runs.end(run, status)

    @property
    def board(self) -> Board:
        """The pages of this experiment in MLflow's user interface."""
        return Board(self._runs)

    def describe(self, run_id: str) -> None:
        """Put series and table on the run of a curve or a search, and renew the summaries over seeds."""
        Reports(self._runs).of_parent(run_id)

    def describe_all(self) -> None:
        """As ``describe``, of every curve and search: after their records were lost and written again."""
        Reports(self._runs).of_all()

    def log_network(self, point_key: str, network: Network) -> str | None:
        """Log a network as a model, an output of the point's run; its id, or ``None`` where it is there already."""
        with explained(self.uri, "written"), self._runs.lock:
            return log_network(self._runs, point_key, network)

    def _fill(self, run: Run, parent: Parent, *, old: bool) -> None:
        """Add what a run lacks of its params and files."""
        present = {file.path for file in self._runs.client.list_artifacts(run.info.run_id)} if old else set()
        files = about(parent.config_yaml, parent.environment)
        params = {key: text for key, text in texts(parent.params).items() if legal_key(key) not in run.data.params}
        self._runs.fill(run, params, [], {file: text for file, text in files.items() if file not in present})

    def _adopt(self, key_tag: str, parent: Parent, run: Run) -> None:
        """Points whose run above was deleted, also while they were being written, belong to the one made again."""
        for point in list(self._runs.find({f"tags.{key_tag}": parent.key, _KIND: "point"})):
            if PARENT in point.data.tags:
                self._runs.client.set_tag(point.info.run_id, PARENT, run.info.run_id)

    def _complete(
        self, run: Run, where: Where, params: Mapping[str, str], metrics: Sequence[Value], files: Mapping[str, str]
    ) -> str | None:
        """Fill a run that meets the conditions and finish it; its id, or None where another machine was faster."""
        self._runs.fill(run, params, metrics, files, run.info.start_time)
        self._runs.end(run, "FINISHED")
        if self._runs.shared and not contention.settle(self._runs, where, run):
            return None
        return str(run.info.run_id)

    def _recorded(self, where: Where) -> bool:
        """Whether a finished run matches; unfinished ones give way, but for one that another machine may be writing.

        One that was deleted is the user's doing, and stays deleted: of those that are withdrawn here and by
        ``contention``, all that are finished leave an active one behind.
        """
        found = list(self._runs.find_all(where))
        for run in found:
            active, others = run.info.lifecycle_stage == "active", self._runs.shared and run.info.status == "RUNNING"
            if active and not contention.whole(run) and not others:
                self._runs.client.delete_run(run.info.run_id)
        return any(map(contention.whole, found))

    def _new_point(
        self, curve_run: str, identity: Mapping[str, Any], notes: Mapping[str, str], recorded: int | None = None
    ) -> Run | None:
        key = str(identity["point_key"])
        if self._recorded({f"tags.{schema.POINT_KEY}": key}):
            return None
        own = {
            PARENT: curve_run,
            schema.KIND: "point",
            schema.POINT_KEY: key,
            schema.SCHEMA: schema.SCHEMA_VERSION,
            COLOUR: run_colour(identity),
        }
        if "curve_key" in identity:
            own[schema.CURVE_KEY] = str(identity["curve_key"])
        tags = {**self._sources.get(curve_run, {}), **notes, **own}
        return self._runs.create(point_name(identity), tags, recorded)
