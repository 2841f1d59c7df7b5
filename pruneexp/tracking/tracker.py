"""Runs of curves, studies, points and scans: written once, completely, though jobs are repeated or killed.

A point's run is FINISHED only when everything is in it. What else is found under its key, from a killed process
or an earlier failure, gives way to the new run, so there is never more than one run of a point. Searching and writing
happen under a lock: that of a file lies beside it, and those who write to a server share one beside their result store.
Machines that share neither may record the same point twice at the same moment: readers count it once.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pruneexp import schema
from pruneexp.errors import UserError, redact
from pruneexp.tracking import bulk, contents
from pruneexp.tracking.artefacts import Parent
from pruneexp.tracking.board import Board
from pruneexp.tracking.contents import KEYS
from pruneexp.tracking.models import Network, log_network
from pruneexp.tracking.naming import legal_key
from pruneexp.tracking.reports import Reports
from pruneexp.tracking.runs import PARENT, NewRun, Runs, Value, Where
from pruneexp.tracking.stores import PAGE, explained, open_client, paged, resolved, sqlite_path

if TYPE_CHECKING:
    from filelock import FileLock
    from mlflow.entities import Run

#: The status of a run that is complete.
_WHOLE = "FINISHED"
_KIND = f"tags.{schema.KIND}"


class Tracker:
    """Writer of one experiment of one tracking store."""

    def __init__(self, uri: str, experiment: str, lock: FileLock | None = None) -> None:
        """Open the store, making database and experiment where they are missing.

        Files go to ``mlruns`` beside a SQLite file, else where the server decides.

        Args:
            experiment: its name.
            uri: ``sqlite:///`` and a path, ``http(s)://`` of a server, or a database server's URI.
            lock: what those who write to a server share; by default one of this machine.

        Raises:
            UserError: the store cannot be used, or an experiment of this name lies deleted in it.
        """
        self.uri, self.experiment = resolved(uri), experiment
        client = open_client(self.uri)
        self._above: dict[str, Mapping[str, str]] = {}  # the tags of runs that hold others
        with explained(self.uri, "asked for its experiments"):
            self._runs = Runs(client, self.uri, experiment, lock)

    @property
    def experiment_id(self) -> str:
        return self._runs.experiment_id

    @property
    def made(self) -> str:
        """What tells the experiment from every other that ever had its name."""
        return self._runs.made

    def is_empty(self) -> bool:
        """Whether no run of this project is in the experiment."""
        with explained(self.uri, "read"):
            return not any(self._runs.has({_KIND: kind}) for kind in KEYS)

    def begin(self, parent: Parent) -> str:
        """Id of its run, made or found again by its key; what a killed process left out of it is added."""
        new, where = contents.parent_run(parent), {f"tags.{KEYS[parent.kind]}": parent.key, _KIND: parent.kind}
        with explained(self.uri, "written"), self._runs.lock:
            run = next(self._runs.find(where), None)
            if run is None:
                run = self._runs.create(new.name, new.tags, parent.recorded)
                self._adopt(parent, run)
            self._fill(run, new)
            self._above[run.info.run_id] = new.tags
            return str(run.info.run_id)

    def given_up(self, parent: Parent) -> bool:
        """Whether the user has deleted its run and every point of it."""
        where = {f"tags.{KEYS[parent.kind]}": parent.key}
        with explained(self.uri, "read"):
            found = bulk.find(self._runs, where, (), deleted=True)
        return bool(found) and not any(run.active for run in found)

    def points_of(self, parent: Parent) -> list[bulk.StoredRun]:
        """The finished points of a curve or a study, with their tags."""
        of = {f"tags.{KEYS[parent.kind]}": parent.key, _KIND: "point"}
        with explained(self.uri, "read"):
            return bulk.find(self._runs, {**of, "attributes.status": "FINISHED"}, ("tags",))

    def find(self, where: Where, contents: Sequence[str] = ("params", "metrics", "tags")) -> list[bulk.StoredRun]:
        """Every run that meets the conditions, with these ``contents`` at least."""
        with explained(self.uri, "read"):
            return bulk.find(self._runs, where, contents)

    def text(self, run_id: str, file: str) -> str:
        """What stands in a file of a run."""
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        with explained(self.uri, "read"), tempfile.TemporaryDirectory(prefix="pruneexp-") as folder:
            return Path(self._runs.client.download_artifacts(run_id, file, folder)).read_text(encoding="utf-8")

    def record(self, new: NewRun, under: str | None = None, began: int | None = None) -> str | None:
        """Write the run of a point, a failure or a scan exactly once.

        Args:
            new: what it holds, as ``contents`` makes it.
            under: the run of its curve or study, if it has one; its tags are put on this one too.
            began: its moment in milliseconds since 1970, by default now.

        Returns:
            Its id; ``None`` where it is recorded already, or the user has deleted it.
        """
        if under is not None:
            new = new._replace(tags={**self._above.get(under, {}), **new.tags, PARENT: under})
        key_tag = KEYS[new.tags[schema.KIND]]
        where = {f"tags.{key_tag}": new.tags[key_tag]}
        with explained(self.uri, "written"), self._runs.lock:
            if self._recorded(where):
                return None
            return bulk.replace(self._runs, [], [new], began)[0]

    def update(
        self,
        run_id: str,
        status: Literal["RUNNING", "FINISHED", "FAILED", "KILLED"] | None,
        numbers: Mapping[str, float] | None = None,
        files: Mapping[str, bytes] | None = None,
        at: int | None = None,
        course: Sequence[Value] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Put on a run what it has come to, and how it stands, where a ``status`` says so.

        The numbers and those of a ``course`` are of the moment ``at``, in milliseconds since 1970. MLflow keeps what it
        is told twice of one moment once.
        """
        metrics = [Value(name, value) for name, value in (numbers or {}).items()]
        with explained(self.uri, "written"), self._runs.lock:
            run = self._runs.client.get_run(run_id)
            self._runs.fill(run, {}, [*metrics, *course], files or {}, at, tags)
            if status == "RUNNING":
                self._runs.client.update_run(run_id, status=status)
            elif status is not None:
                self._runs.end(run, status)

    def sweep(self, name: str) -> str:
        """Id of the run that stands for a sweep, made where there is none."""
        where = {f"tags.{schema.SWEEP}": name, _KIND: "sweep"}
        with explained(self.uri, "written"), self._runs.lock:
            run = next(self._runs.find(where), None) or self._runs.add(contents.sweep_run(name))
            return str(run.info.run_id)

    def attach(self, run_id: str, files: Mapping[str, str]) -> None:
        """Put files on a run, in place of those of the same name."""
        with explained(self.uri, "written"):
            self._runs.write(self._runs.client.get_run(run_id).info.artifact_uri, files)

    def board(self, port: int | None = None) -> Board:
        """The pages of this experiment in MLflow's user interface, served on ``port`` or where it usually is."""
        return Board(self._runs, port)

    def describe(self, run_id: str) -> None:
        """Put series and table on the run of a curve or a search, and renew the summaries over seeds."""
        with explained(self.uri, "written"):
            Reports(self._runs).of_parent(run_id)

    def describe_all(self, say: Callable[[str], None] = lambda _: None) -> int:
        """As ``describe``, of every curve and search; the number of summaries. ``say`` is told what is being done."""
        with explained(self.uri, "written"):
            return Reports(self._runs).of_all(say)

    def log_network(self, point_key: str, network: Network) -> str | None:
        """Log a network as a model, an output of the point's run; its id, or ``None`` where it is there already."""
        with explained(self.uri, "written"), self._runs.lock:
            return log_network(self._runs, point_key, network)

    def _fill(self, run: Run, new: NewRun) -> None:
        """Add what a run lacks of its params and files."""
        present = {file.path for file in self._runs.client.list_artifacts(run.info.run_id)}
        params = {key: value for key, value in new.params.items() if legal_key(key) not in run.data.params}
        self._runs.fill(run, params, [], {file: text for file, text in new.files.items() if file not in present})

    def _adopt(self, parent: Parent, run: Run) -> None:
        """Points whose run above was deleted, also while they were being written, belong to the one made again."""
        for point in list(self._runs.find({f"tags.{KEYS[parent.kind]}": parent.key, _KIND: "point"})):
            if PARENT in point.data.tags:
                self._runs.client.set_tag(point.info.run_id, PARENT, run.info.run_id)

    def _recorded(self, where: Where) -> bool:
        """Whether a finished run matches, also one that the user has deleted; unfinished ones give way."""
        found = bulk.find(self._runs, where, (), deleted=True)
        for run in found:
            if run.active and run.status != _WHOLE:
                self._runs.client.delete_run(run.run_id)
        return any(run.status == _WHOLE for run in found)


def existing(uri: str, names: Sequence[str]) -> list[Tracker]:
    """The named experiments, or all that hold runs of this project; nothing is made, not even an empty database.

    Raises:
        UserError: the store cannot be read, or an experiment is missing, deleted, or not of this project.
    """
    uri = resolved(uri)
    path = sqlite_path(uri)
    if path is not None and not path.is_file():
        raise UserError(f"There is no database {path}: nothing has been recorded there (--tracking-uri).")
    client = open_client(uri)
    with explained(uri, "asked for its experiments"):
        experiments = list(paged(lambda token: client.search_experiments(max_results=PAGE, page_token=token)))
        known = sorted(experiment.name for experiment in experiments)
        for name in names:
            if client.get_experiment_by_name(name) is None:
                others = ", ".join(sorted({*known} - {"Default"})) or "none"
                raise UserError(f"{redact(uri)} has no experiment {name!r}; it has {others} (--experiment).")
    opened = [Tracker(uri, name) for name in names or known]
    found = [tracker for tracker in opened if not tracker.is_empty()]
    if names and len(found) < len(opened):
        empty = next(tracker.experiment for tracker in opened if tracker not in found)
        raise UserError(f"The experiment {empty!r} of {redact(uri)} is empty: it has no run of pruneexp.")
    if not found:
        raise UserError(f"{redact(uri)} has no experiment with runs of pruneexp: record some first.")
    return found
