"""The saved views of an experiment, as states of the runs page of MLflow 3; what they show, not how they are stored.

Pure: builds plain values and their text. The keys are internal to MLflow and may change with it;
``tests/unit/test_dashboard_format.py`` holds them against the installed user interface. A view that MLflow cannot read
leaves the plain page of runs, which the same address opens.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pruneexp import schema

#: Key of an experiment's tag, but for the view's own key; the address of the page names that.
TAG_PREFIX = "mlflow.sharedViewState."
_KEY_PREFIX = "pruneexp-"
#: Longest value that MLflow 3 takes in a tag of an experiment.
TEXT_LIMIT = 20000
_PLAIN_LIMIT = 4000
_COMPRESSED = "deflate;"
_SECTION = "pruneexp"
_GROUPS = ("reg", "reg_strength", "schedule", "mode", "criterion")
_WORK = (schema.SECONDS, schema.CACHE_HITS, schema.STAGES)
#: Params beside the groups that tell lines and rows apart.
_SETTINGS = ("rounds", "cap", "min_keep", "train_lr", "batch_size", "train_epochs", "retrain_epochs")

Chart = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class View:
    """``hidden`` are metrics of the shown runs that no chart is about: MLflow would draw a bar chart of each.

    A ``table`` opens as one, its charts one click away: beside charts MLflow shows neither columns nor status.
    """

    name: str
    title: str
    query: str
    charts: Sequence[Chart]
    columns: Sequence[str] = ()
    group_by: Sequence[str] = ()
    newest_first: bool = False
    hidden: Sequence[str] = ()
    across: int = 1
    height: int = 460
    table: bool = False

    @property
    def key(self) -> str:
        """The key in the address."""
        return _KEY_PREFIX + self.name


def tradeoff(hidden: Sequence[str]) -> View:
    """Accuracy loss over density and over compression, one line per kind of curve, means over seeds."""
    return View(
        name="tradeoff",
        title="Trade-off, mean over seeds (accuracy in points, on val)",
        query=f"tags.`{schema.KIND}` = 'summary' AND tags.`{schema.SUMMARY_OF}` = 'curves'",
        charts=[
            line([schema.ACCURACY_LOSS], over="density"),
            line([schema.ACCURACY_LOSS], over=schema.COMPRESSION),
            line([schema.ACCURACY_LOSS + schema.SPREAD], over="density"),
            line(["accuracy_test"], over="density"),
        ],
        columns=_columns(params=(*_GROUPS, *_SETTINGS), metrics=_SUMMARY_COLUMNS),
        hidden=hidden,
        across=2,
    )


def seeds(hidden: Sequence[str]) -> View:
    """Every budget with mean, standard deviation and n, grouped by regularisation, schedule, mode and criterion."""
    return View(
        name="seeds",
        title="Every budget: mean, std and n over seeds",
        query=f"tags.`{schema.KIND}` = 'summary' AND tags.`{schema.SUMMARY_OF}` = 'points'",
        charts=[
            scatter("density", schema.ACCURACY_LOSS),
            scatter(schema.ACCURACY_LOSS, schema.ACCURACY_LOSS + schema.SPREAD),
        ],
        columns=_columns(params=(*_GROUPS, *_SETTINGS), metrics=_SUMMARY_COLUMNS),
        group_by=_GROUPS,
        hidden=hidden,
        across=2,
        table=True,
    )


def prune_against_scratch(hidden: Sequence[str]) -> View:
    """The modes of one condition beside each other, where networks from scratch are among them."""
    return View(
        name="prune-vs-scratch",
        title="Prune against scratch, mean over seeds",
        query=f"tags.`{schema.COMPARED}` = 'true' AND tags.`{schema.SUMMARY_OF}` = 'curves'",
        charts=[
            line([schema.ACCURACY_LOSS], over="density"),
            line(["accuracy_test"], over="density"),
            line(["epochs"], over="density"),
            line([schema.ACCURACY_LOSS + schema.SPREAD], over="density"),
        ],
        columns=_columns(params=("mode", "cap", "scaled_init", *_GROUPS[:2]), metrics=("epochs", *_SUMMARY_COLUMNS)),
        hidden=hidden,
        across=2,
    )


def sensitivity(groups: Sequence[str], hidden: Sequence[str]) -> View:
    """One chart per group of layers: change of accuracy (points) over the permille of it that is pruned."""
    return View(
        name="sensitivity",
        title="Sensitivity: change of accuracy over permille pruned",
        query=f"tags.`{schema.KIND}` = 'scan'",
        charts=[line([metric]) for metric in groups],
        columns=_columns(params=("model", "data", "reg", "reg_strength", "criterion", "retrain_epochs", "seed")),
        hidden=hidden,
        across=min(3, max(1, len(groups))),
        height=360,
    )


def study(name: str, levels: Sequence[str], hidden: Sequence[str]) -> View:
    """One search: its trials in the plane that it searched, and the levels of each layer side by side."""
    return View(
        name=f"study-{hashlib.sha256(name.encode()).hexdigest()[:8]}",  # an address keeps showing what it showed
        title=f"Study {name}",
        query=f"tags.`{schema.KIND}` = 'point' AND params.`study` = '{name}'",
        charts=[
            scatter("density", schema.ACCURACY_LOSS),
            scatter(schema.COMPRESSION, "val.after.top1"),
            *([parallel([*levels, "density", schema.ACCURACY_LOSS])] if levels else []),
        ],
        columns=_columns(params=("trial",), metrics=("density", schema.ACCURACY_LOSS, *levels)),
        group_by=("retrain_epochs",),  # ungrouped, MLflow folds trials into the run of the study, and draws none
        hidden=hidden,
        across=2,
    )


def health(hidden: Sequence[str]) -> View:
    """What became of every job: its status, the seconds behind its points, and what came from the store."""
    return View(
        name="health",
        title="Health: status, seconds and cache hits of every job",
        query=" AND ".join(f"tags.`{schema.KIND}` != '{kind}'" for kind in ("point", "summary", "scan")),
        charts=[bar(name) for name in (*_WORK, schema.RECORDED)],
        columns=[
            *_columns(("reg_strength", "criterion", *_SETTINGS), (*_WORK, schema.RECORDED, schema.FAILED)),
            f"tags.`{schema.FAILURE}`",
        ],
        hidden=hidden,
        across=2,
        height=400,
        table=True,
        newest_first=True,  # MLflow loads a hundred at first
    )


def failures() -> View:
    """Runs that failed, with the reason."""
    return View(
        name="failures",
        title="Failures, with the reason",
        query="attributes.status = 'FAILED'",
        charts=[],
        columns=[f"tags.`{schema.KIND}`", f"tags.`{schema.FAILURE}`"],
        group_by=("mode",),  # ungrouped, MLflow folds points into their curve
        table=True,
        newest_first=True,
    )


def scatter(across: str, up: str) -> Chart:
    return {
        **_chart("SCATTER", f"{across} {up}"),
        "xaxis": {"key": across, "type": "METRIC"},
        "yaxis": {"key": up, "type": "METRIC"},
    }


def line(metrics: Sequence[str], over: str | None = None) -> Chart:
    """Series over another metric at the same steps, or over the steps themselves."""
    return {
        **_chart("LINE", f"{' '.join(metrics)} {over}"),
        "metricKey": metrics[0],
        "selectedMetricKeys": list(metrics),
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "xAxisKey": "step" if over is None else "metric",
        "selectedXAxisMetricKey": over or "",
        "displayPoints": True,
        "yAxisKey": "metric",
        "useGlobalXaxisKey": False,
        "useGlobalLineSmoothing": False,
    }


def bar(metric: str) -> Chart:
    return {**_chart("BAR", metric), "metricKey": metric}


def parallel(metrics: Sequence[str]) -> Chart:
    return {**_chart("PARALLEL", "all"), "selectedParams": [], "selectedMetrics": list(metrics), "showAllRuns": True}


def state(view: View) -> dict[str, Any]:
    """The whole state of the page, with every key that MLflow 3.17 gives it."""
    shown = {metric for chart in view.charts for metric in _metrics_of(chart)}
    rest = [{**bar(metric), "deleted": True, "isGenerated": True} for metric in view.hidden if metric not in shown]
    grouping = [{"mode": "param", "groupByData": name} for name in view.group_by]
    return {
        "searchFilter": view.query,
        "orderByKey": "attributes.start_time",
        "orderByAsc": not view.newest_first,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(view.columns),
        "columnOrder": [],
        "columnWidths": {},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "SHOW_ALL",  # by default only ten runs are drawn
        "compareRunCharts": [*view.charts, *rest],
        "compareRunSections": [_section(view)],
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": True,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": grouping} if grouping else None,
        "groupsExpanded": {},
        "autoRefreshEnabled": True,
        "useGroupedValuesInCharts": False,
        "hideEmptyCharts": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }


def text(view: View) -> str:
    """The state as MLflow stores it: JSON, compressed where it is long."""
    plain = json.dumps(state(view), separators=(",", ":"))
    if len(plain) <= _PLAIN_LIMIT:
        return plain
    return _COMPRESSED + base64.b64encode(zlib.compress(plain.encode(), 9)).decode()


def fits(view: View) -> bool:
    """Whether MLflow can keep the view: of a search over very many layers it cannot."""
    return len(text(view)) <= TEXT_LIMIT


_LOSSES = (schema.ACCURACY_LOSS, schema.ACCURACY_LOSS_TEST)
_SUMMARY_COLUMNS = (schema.SEEDS, "density", *(name + ending for name in _LOSSES for ending in ("", schema.SPREAD)))


def _columns(params: Sequence[str] = (), metrics: Sequence[str] = ()) -> list[str]:
    return [*(f"params.`{name}`" for name in params), *(f"metrics.`{name}`" for name in metrics)]


def _chart(kind: str, identity: str) -> dict[str, Any]:
    return {
        "uuid": f"{kind.lower()} {identity}",
        "type": kind,
        "runsCountToCompare": 1000,
        "metricSectionId": _SECTION,
        "deleted": False,
        "isGenerated": False,
    }


def _metrics_of(chart: Chart) -> Sequence[str]:
    """Metrics for which MLflow adds no chart of its own."""
    return [chart["metricKey"]] if "metricKey" in chart else []


def _section(view: View) -> dict[str, Any]:
    return {
        "uuid": _SECTION,
        "name": view.title,
        "display": True,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
        "columns": view.across,
        "cardHeight": view.height,
    }
