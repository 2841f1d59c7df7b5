"""The views of one experiment in MLflow's own user interface: written from templates, and addressed.

A view is a file of ``views/``: a title, and the keys in which its state of MLflow's page of runs differs from
``page.json``, the whole state of MLflow 3.17. There is a view where its search finds a run. The keys are internal to
MLflow and may change with it; ``tests/unit/test_dashboard_format.py`` holds them against the installed user interface.
A view that MLflow cannot read leaves the plain page of runs, which the same address opens. Knows nothing of what views
show.

Parts that are filled in: ``{each}`` is the value of a parameter that has a view for each of its newest values
(``each``); what holds ``NAME/*`` is there once for each metric that begins so, with ``{layer}`` for the part of its
name that follows, and what holds ``{metric}`` once for each primary metric of the runs, by its name, with ``{title}``,
``{unit}`` and, of its changes, ``{change}``. MLflow titles a chart by its metric alone: a chart with a ``section``
stands below a heading of its own, which says units and split. A view with ``table`` opens as one, its charts one click
away: beside charts MLflow shows neither columns nor status.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from pruneexp.errors import redact
from pruneexp.schema import SPREAD, TOP1, Metric, change_name
from pruneexp.tracking.databases import is_database
from pruneexp.tracking.runs import Runs
from pruneexp.tracking.stores import explained
from pruneexp.tracking.summaries import metrics_of

if TYPE_CHECKING:
    from mlflow.entities import Run

#: Where ``mlflow ui`` listens unless told otherwise; it reads the variable itself.
_PORT, _PORT_VARIABLE = 5000, "MLFLOW_PORT"
#: Of the pages of runs; without it MLflow 3 opens those on language models, which are empty.
_WORKFLOW = "workflowType=machine_learning"
#: Key of an experiment's tag, but for the view's own key; the address of the page names that.
TAG_PREFIX = "mlflow.sharedViewState."
_KEY_PREFIX = "pruneexp-"
#: Longest value that MLflow 3 takes in a tag of an experiment.
_LIMIT = 20_000
_FOLDER = Path(__file__).parent / "views"
_PAGE = "page.json"
#: Values of a parameter that get a view each, the newest, and the runs among which they are looked for.
_NEWEST, _OF_EACH = 5, 200
#: Runs that are looked at for the metrics that they have: a few more than the ways in which they differ.
_LOOKED_AT = 20


class PageLink(NamedTuple):
    """A page for people: the name of its view, what it shows, and its address."""

    name: str
    title: str
    address: str


class BoardView(NamedTuple):
    """A template with everything filled in; ``state`` is the whole state of MLflow's page."""

    name: str
    title: str
    table: bool
    state: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The state as MLflow stores a long one: compressed JSON."""
        plain = json.dumps(self.state, separators=(",", ":"))
        return "deflate;" + base64.b64encode(zlib.compress(plain.encode(), 9)).decode()


class Board:
    """The pages of one experiment."""

    def __init__(self, runs: Runs, port: int | None = None) -> None:
        self._runs, self._port = runs, port

    def provision(self) -> list[PageLink]:
        """Write every view for which something is recorded; the last link is the plain page of runs."""
        client, experiment = self._runs.client, self._runs.experiment_id
        with explained(self._runs.uri, "written"):
            # Of a search over very many layers MLflow cannot keep the view.
            found = [view for view in self._views() if len(view.text) <= _LIMIT]
            with self._runs.lock:
                tags = client.get_experiment(experiment).tags
                for view in found:
                    key = TAG_PREFIX + _KEY_PREFIX + view.name
                    if tags.get(key) != view.text:
                        client.set_experiment_tag(experiment, key, view.text)
        return [*map(self._link, found), PageLink("runs", "all runs", self.page)]

    @property
    def page(self) -> str:
        """The address of the plain page of runs."""
        return f"{self._runs_page}?{_WORKFLOW}"

    def page_of(self, run_id: str, file: str) -> str:
        """The address of a file of a run."""
        return f"{self._runs_page}/{run_id}/artifacts/{quote(file)}?{_WORKFLOW}"

    @property
    def _runs_page(self) -> str:
        return f"{host(self._runs.uri, self._port)}/#/experiments/{self._runs.experiment_id}/runs"

    def _link(self, view: BoardView) -> PageLink:
        mode = "" if view.table else "&compareRunsMode=CHART"
        key = f"viewStateShareKey={_KEY_PREFIX}{quote(view.name)}{mode}"
        return PageLink(view.name, view.title, f"{self._runs_page}?{key}&{_WORKFLOW}")

    def _views(self) -> Iterator[BoardView]:
        for path in sorted(_FOLDER.glob("*.json")):
            if path.name == _PAGE:
                continue
            template = json.loads(path.read_text(encoding="utf-8"))
            if "each" not in template:
                yield from self._view(path.stem, template, "", ())
                continue
            above: dict[str, Run] = {}
            each = template["each"]
            for run in self._some(each["searchFilter"], _OF_EACH):
                above.setdefault(run.data.params.get(each["param"], ""), run)
            for value, run in list(above.items())[:_NEWEST]:
                if value and "'" not in value:  # no query can hold a quote
                    # The name does not depend on which are the newest: an address keeps showing what it showed.
                    name = f"{path.stem}-{hashlib.sha256(value.encode()).hexdigest()[:8]}"
                    yield from self._view(name, template, value, [run])

    def _view(self, name: str, template: Mapping[str, Any], value: str, above: Sequence[Run]) -> Iterator[BoardView]:
        """The view, where there is a run for it; the runs above those that it shows are in MLflow's view as well."""
        query = template["state"]["searchFilter"].replace("{each}", value)
        runs = self._some(query, _LOOKED_AT if template["state"].get("compareRunCharts") else 1)
        if runs:
            units = {run.data.params.get("metric.name", TOP1.name): run.data.params.get("metric.unit", TOP1.unit)
                     for run in runs}  # fmt: skip
            yield filled(name, template, [name for run in (*runs, *above) for name in run.data.metrics], value, units)

    def _some(self, query: str, count: int) -> Sequence[Run]:
        """At most so many of the newest runs that match."""
        found: Sequence[Run] = self._runs.client.search_runs([self._runs.experiment_id], query, max_results=count)
        return found


def filled(
    name: str,
    template: Mapping[str, Any],
    metrics: Sequence[str],
    value: str = "",
    units: Mapping[str, str] | None = None,
) -> BoardView:
    """The view that a template gives.

    Args:
        name: part of the address.
        template: the content of a file of ``views/``.
        metrics: of the runs shown. MLflow would draw a bar chart of each that no chart is about, so these are hidden.
        value: what ``{each}`` stands for.
        units: of the primary metrics, by their names; none where it is not said.
    """
    page = json.loads((_FOLDER / _PAGE).read_text(encoding="utf-8"))
    given = _filled(template, list(dict.fromkeys(metrics)), value, units or {TOP1.name: TOP1.unit})
    state, title = {**page["state"], **given["state"]}, given["title"]
    charts = state["compareRunCharts"]
    summed = {name for metric in _primaries(metrics) for name in metrics_of(metric)}
    hidden = {*metrics, *summed} - {chart.get("metricKey") for chart in charts}
    charts += [{"type": "BAR", "metricKey": metric, "deleted": True, "isGenerated": True} for metric in sorted(hidden)]
    first = page["section"]["uuid"]
    headed = [(chart, chart.pop("section", title)) for chart in charts if not chart.get("deleted")]
    headings = dict.fromkeys([heading for _, heading in headed] or [title])
    ids = {heading: f"{first} {place}" if place else first for place, heading in enumerate(headings)}
    for chart, heading in headed:
        chart["metricSectionId"] = ids[heading]
    state["compareRunCharts"] = [
        {"uuid": f"chart {place}", **page["chart"], **page["charts"][chart["type"]], **chart}
        for place, chart in enumerate(charts)
    ]
    state["compareRunSections"] = [
        {**page["section"], **given.get("section", {}), "name": heading, "uuid": uuid} for heading, uuid in ids.items()
    ]
    return BoardView(name, title, given.get("table", False), state)


def _filled(part: Any, metrics: Sequence[str], value: str, units: Mapping[str, str]) -> Any:
    """Any part of a template, filled in."""
    if isinstance(part, dict):
        return {key: _filled(inner, metrics, value, units) for key, inner in part.items()}
    if isinstance(part, list):
        return [_filled(one, metrics, value, units) for item in part for one in _repeated(item, metrics, units)]
    return part.replace("{each}", value) if isinstance(part, str) else part


def _repeated(item: Any, metrics: Sequence[str], units: Mapping[str, str]) -> list[Any]:
    """An item once for each primary metric, and for each metric whose beginning it names (not in a list of its own)."""
    whole = json.dumps(item)
    if "{metric}" in whole:
        measured = [json.loads(_measured(whole, Metric(name, units.get(name, "")))) for name in _primaries(metrics)]
        return [one for each in measured for one in _repeated(each, metrics, units)]
    own = item.values() if isinstance(item, dict) else [item]
    beginning = next(
        (found for text in own if isinstance(text, str) for found in re.findall(r"\w+/(?=\*)", text)), None
    )
    if beginning is None:
        return [item]
    return [
        json.loads(named.replace("{layer}", _layer(metric, beginning)))
        for metric in metrics
        if metric.startswith(beginning)
        for named in [whole.replace(f"{beginning}*", json.dumps(metric)[1:-1])]
    ]


def _measured(text: str, metric: Metric) -> str:
    """A text with the name of a metric filled in, its title, and the units of its values and of their changes."""
    for place, said in (("metric", metric.name), ("title", metric.title), ("change", metric.change_unit)):
        text = text.replace(f"{{{place}}}", said)
    return text.replace("{unit}", metric.unit or "as it is")


def _layer(metric: str, beginning: str) -> str:
    """The layer that a metric is of, as it stands in JSON; ``fc1`` of ``level/fc1``, of ``sensitivity/fc1/val...``."""
    return json.dumps(metric.removeprefix(beginning).split("/")[0])[1:-1]


def _primaries(metrics: Sequence[str]) -> list[str]:
    """The names of the primary metrics of runs with these metrics: those of which runs have changes."""
    beginning = change_name("val", "after", "")
    found = {name.removeprefix(beginning) for name in metrics if name.startswith(beginning)}
    return sorted(name for name in found if not name.endswith(SPREAD)) or [TOP1.name]


def host(uri: str, port: int | None = None) -> str:
    """The address of the user interface of a store: the server itself, or a local one on its database.

    That listens on ``port``, by default on MLflow's.
    """
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return f"http://127.0.0.1:{port or os.environ.get(_PORT_VARIABLE, _PORT)}"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def opener(uri: str, port: int | None = None) -> str | None:
    """The command that serves these pages; ``None`` where a server does already."""
    if not is_database(uri):
        return None
    return f"mlflow ui --backend-store-uri '{redact(uri)}'" + ("" if port is None else f" --port {port}")
