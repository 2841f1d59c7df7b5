"""Templates of views: what is filled in, and that a new one is one file."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pruneexp.tracking import board
from pruneexp.tracking.summaries import metrics_of

TEMPLATES = {path.stem: json.loads(path.read_text("utf-8")) for path in board._FOLDER.glob("*.json")}
PAGE = TEMPLATES.pop("page")


def charts(view: board.BoardView, *, deleted: bool = False) -> list[dict[str, Any]]:
    return [chart for chart in view.state["compareRunCharts"] if chart["deleted"] is deleted]


def test_a_study_has_a_level_for_each_layer_and_its_name_in_title_and_search() -> None:
    view = board.filled("study-1", TEMPLATES["study"], ["level/fc2", "density", "level/fc1", "density"], "mine")
    assert view.title == "Study mine"
    headings = [section["name"] for section in view.state["compareRunSections"]]
    assert headings == ["Val over density (change, points)", "Val over log2 compression (%)", "Level of each layer"]
    assert view.state["searchFilter"] == "tags.`pruneexp.kind` = 'point' AND params.`study` = 'mine'"
    assert view.state["selectedColumns"][-2:] == ["metrics.`level/fc2`", "metrics.`level/fc1`"]
    assert [chart["type"] for chart in charts(view)] == ["SCATTER", "SCATTER", "PARALLEL"]
    assert charts(view)[-1]["selectedMetrics"] == ["level/fc2", "level/fc1", "density", "val.change_after.top1"]


def test_a_study_of_another_cost_than_density_begins_with_a_chart_of_it() -> None:
    view = board.filled("study-1", TEMPLATES["study"], ["share/flop", "level/fc1", "density"], "mine")
    assert view.state["compareRunSections"][0]["name"] == "Val over share/flop (points)"
    first, *others = charts(view)
    assert (first["type"], first["xaxis"]["key"], first["yaxis"]["key"]) == (
        "SCATTER", "share/flop", "val.change_after.top1",
    )  # fmt: skip
    assert [chart["type"] for chart in others] == ["SCATTER", "SCATTER", "PARALLEL"]
    assert "metrics.`share/flop`" in view.state["selectedColumns"]
    assert len("Val over share/parameters (points)") <= 38  # MLflow cuts longer headings


def test_charts_of_one_metric_stand_below_headings_that_differ() -> None:
    change = "val.change_after.top1"
    view = board.filled("tradeoff", TEMPLATES["tradeoff"], [change], units={"top1": "%"})
    headings = {one["uuid"]: one["name"] for one in view.state["compareRunSections"]}
    drawn = [(headings[chart["metricSectionId"]], chart["metricKey"]) for chart in charts(view)]
    assert len(set(drawn)) == len(headings) == 4
    assert drawn[0] == ("Val over density (change, points)", change)
    assert all(len(heading) <= 38 for heading in headings.values())  # MLflow cuts longer ones
    assert all("section" not in chart for chart in view.state["compareRunCharts"])


def test_a_scan_has_a_chart_for_each_group_of_layers() -> None:
    names = ['sensitivity/a"b/val.change.top1', "images", "sensitivity/fc/val.change.top1"]
    view = board.filled("sensitivity", TEMPLATES["sensitivity"], names)
    assert [chart["metricKey"] for chart in charts(view)] == [names[0], names[2]]
    assert [chart["selectedMetricKeys"] for chart in charts(view)] == [[names[0]], [names[2]]]
    assert len({chart["uuid"] for chart in view.state["compareRunCharts"]}) == len(view.state["compareRunCharts"])


def test_metrics_that_no_chart_is_about_are_hidden_because_mlflow_would_draw_each() -> None:
    view = board.filled("health", TEMPLATES["health"], ["seconds", "other"])
    shown = {chart["metricKey"] for chart in charts(view)}
    assert {chart["metricKey"] for chart in charts(view, deleted=True)} == ({"other", *metrics_of("top1")} - shown)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_changes_only_what_the_page_has_otherwise(name: str) -> None:
    template = TEMPLATES[name]
    assert set(template) <= {"title", "table", "each", "section", "state"}
    for part in ("state", "section"):
        assert {key for key, value in template.get(part, {}).items() if value == PAGE[part].get(key, key)} == set()
    assert "searchFilter" in template["state"]


def test_what_is_looked_at_for_trouble_begins_with_the_newest_because_mlflow_loads_a_hundred() -> None:
    states = {name: board.filled(name, template, []).state for name, template in TEMPLATES.items()}
    assert {name for name, state in states.items() if not state["orderByAsc"]} == {"health", "failures"}


def test_a_long_view_is_compressed_and_one_too_long_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = [f"level/features.{number}.weight" for number in range(60)]
    view = board.filled("study", TEMPLATES["study"], metrics, "name")
    assert view.text.startswith("deflate;")
    assert json.loads(zlib.decompress(b64decode(view.text.removeprefix("deflate;")))) == view.state
    assert len(view.text) <= board._LIMIT
    many = [f"level/{sha256(bytes([number])).hexdigest() * 3}" for number in range(250)]
    assert len(board.filled("study", TEMPLATES["study"], many, "name").text) > board._LIMIT


def test_a_view_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.json").write_text(json.dumps(PAGE))
    (tmp_path / "mine.json").write_text(json.dumps({"title": "Mine", "state": {"searchFilter": "metrics.loss < 1"}}))
    monkeypatch.setattr(board, "_FOLDER", tmp_path)
    (view,) = board.Board(_Runs())._views()  # type: ignore[arg-type]
    assert (view.name, view.title, view.table) == ("mine", "Mine", False)
    assert view.state == {**PAGE["state"], **{key: view.state[key] for key in ("searchFilter", "compareRunCharts")},
                          "compareRunSections": [{**PAGE["section"], "name": "Mine"}]}  # fmt: skip


class _Runs:
    """One run that every search finds."""

    experiment_id = "1"

    @property
    def client(self) -> _Runs:
        return self

    def search_runs(self, experiments: list[str], query: str, max_results: int) -> list[Any]:
        assert (experiments, query) == (["1"], "metrics.loss < 1")
        return [type("Found", (), {"data": type("Data", (), {"metrics": {"loss": 0.5}, "params": {}})})][:max_results]
