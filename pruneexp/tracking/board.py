"""The views of one experiment in MLflow's own user interface: provisioned, and addressed.

A view is a tag of the experiment, so provisioning again replaces it. There is a view only for what is recorded:
existence is asked for with one run each, so that a finished job can afford to ask in an experiment of any size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from pruneexp import schema
from pruneexp.errors import redact
from pruneexp.tracking import views
from pruneexp.tracking.databases import is_database
from pruneexp.tracking.runs import Runs, kind
from pruneexp.tracking.stores import explained
from pruneexp.tracking.summaries import METRICS
from pruneexp.tracking.views import View

if TYPE_CHECKING:
    from filelock import FileLock
    from mlflow.entities import Run

#: Where ``mlflow ui`` listens unless told otherwise.
LOCAL_UI = "http://127.0.0.1:5000"
#: Searches that get a view of their own, the newest.
_STUDIES = 5
#: Runs of a kind that are looked at for the metrics that they have: a few more than the ways in which they differ.
_LOOKED_AT = 20


class Link(NamedTuple):
    """A page for people: the name of its view, what it shows, and its address."""

    name: str
    title: str
    address: str


class Board:
    """The pages of one experiment."""

    def __init__(self, runs: Runs, uri: str, lock: FileLock) -> None:
        self._runs, self._uri, self._lock = runs, uri, lock

    def provision(self) -> list[Link]:
        """Write every view for which something is recorded; the last link is the plain page of runs."""
        found = [view for view in self._views() if views.fits(view)]
        with explained(self._uri, "written"), self._lock:
            tags = self._runs.client.get_experiment(self._runs.experiment_id).tags
            for view in found:
                self._write(tags, view)
        return [*(self._link(view) for view in found), Link("runs", "all runs", self.page)]

    @property
    def page(self) -> str:
        """The address of the plain page of runs."""
        return f"{host(self._uri)}/#/experiments/{self._runs.experiment_id}/runs"

    def _link(self, view: View) -> Link:
        mode = "" if view.table else "&compareRunsMode=CHART"
        return Link(view.name, view.title, f"{self.page}?viewStateShareKey={quote(view.key)}{mode}")

    def _write(self, tags: Mapping[str, str], view: View) -> None:
        key, text = views.TAG_PREFIX + view.key, views.text(view)
        if tags.get(key) != text:
            self._runs.client.set_experiment_tag(self._runs.experiment_id, key, text)

    def _views(self) -> Iterator[View]:
        with explained(self._uri, "read"):
            if self._some(kind("summary"), 1):
                yield views.tradeoff(METRICS)
                yield views.seeds(METRICS)
                if self._some(f"{kind('summary')} and tags.`{schema.COMPARED}` = 'true'", 1):
                    yield views.prune_against_scratch(METRICS)
            scans = self._some(kind("scan"), _LOOKED_AT)
            if scans:
                groups = [name for name in _metrics(scans) if name.startswith("sensitivity/")]
                yield views.sensitivity(groups, _metrics(scans))
            studies = self._some(kind("study"), _STUDIES)
            for study in studies:
                yield from self._of_study(study)
            jobs = [*self._some(kind("curve"), _LOOKED_AT), *studies]
            if jobs:
                yield views.health(_metrics(jobs))
            if self._some("attributes.status = 'FAILED'", 1):
                yield views.failures()

    def _of_study(self, study: Run) -> Iterator[View]:
        name = study.data.params.get("study", "")
        trials = (
            self._some(f"{kind('point')} and params.`study` = '{name}'", _LOOKED_AT) if name and "'" not in name else []
        )
        if trials:
            hidden = _metrics([*trials, study])
            levels = [metric for metric in hidden if metric.startswith(schema.LEVEL)]
            yield views.study(name, levels, hidden)

    def _some(self, query: str, count: int) -> Sequence[Run]:
        """At most so many of the newest runs that match."""
        found: Sequence[Run] = self._runs.client.search_runs([self._runs.experiment_id], query, max_results=count)
        return found


def host(uri: str) -> str:
    """The address of the user interface of a store: the server itself, or a local one on its database."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return LOCAL_UI
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def opener(uri: str) -> str | None:
    """The command that serves these pages; ``None`` where a server does already."""
    if not is_database(uri):
        return None
    return f"mlflow ui --backend-store-uri '{redact(uri)}'"


def _metrics(runs: Sequence[Run]) -> list[str]:
    """Names in the order in which they were first seen."""
    return list(dict.fromkeys(name for run in runs for name in run.data.metrics))
