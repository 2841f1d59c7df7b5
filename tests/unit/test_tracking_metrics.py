"""What a tracking store is told of points that are judged by perplexity, beside those that are by accuracy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pruneexp import schema
from pruneexp.schema.columns import LoggedPoint
from pruneexp.tracking import board, contents, markdown
from pruneexp.tracking.artefacts import of_point, read_point
from pruneexp.tracking.runs import NewRun
from pruneexp.tracking.summaries import metrics_of, summaries
from tests.contracts.points import PERPLEXITY, as_text, point
from tests.contracts.scans import as_text as scan_as_text
from tests.contracts.scans import scan


def values(run: NewRun) -> dict[str, float]:
    return {value.name: value.value for value in run.values}


def test_a_point_is_recorded_under_the_names_of_its_metric() -> None:
    run = contents.point_run(as_text(point()), {}, {})
    assert run.params["metric.name"] == "perplexity"
    found = values(run)
    assert found["val.after.perplexity"] == 7.5
    assert found["val.change_after.perplexity"] == pytest.approx(100 / 14)
    assert not [name for name in found if "accuracy" in name or "top1" in name]
    made = read_point(json.loads(json.dumps(of_point(as_text(point()), {}))))
    assert made.point == as_text(point())


def test_a_point_of_classification_is_recorded_as_ever() -> None:
    run = contents.point_run(point(), {}, {})
    assert not [name for name in run.params if name.startswith(("task", "metric"))]
    scores = [f"{split}.{moment}.{name}" for split in ("val", "test") for moment in ("dense", "after", "before")
              for name in ("loss", "top1", "top5")]  # fmt: skip
    changes = [f"{split}.change_{when}.top1" for split in ("val", "test") for when in ("before", "after")]
    assert [name for name in values(run) if name.startswith(("val.", "test."))] == [*changes, *scores]


def test_a_scan_is_a_series_of_relative_changes() -> None:
    run = contents.scan_run(scan_as_text(scan({"fc1": {0.5: -6.0}})), "", {})
    assert values(run) == {
        "images": 200,
        "dense.perplexity": 5.0,
        "sensitivity/fc1/val.change.perplexity": pytest.approx(6.0),
        "density": 0.5,
    }


def test_a_scan_counts_examples() -> None:
    made = scan_as_text(scan({"fc1": {0.5: -6.0}}))
    bad = schema.Score(loss=1.0, metrics={"perplexity": 9.0}, undefined=3, images=200)
    assert (
        contents.scan_run(schema.Scan(identity=made.identity, dense=bad, images=200, rows=made.rows), "", {})
        .tags[schema.UNDEFINED]
        .startswith("not a number on up to 3 of 200 examples")
    )


def test_means_over_seeds_are_those_of_the_metric() -> None:
    made = [as_text(point(seed=seed, after=96.5 - 7 * seed)) for seed in (0, 1)]  # perplexities 7.5 and 14.5, against 7
    curve, row = summaries(LoggedPoint(f"run {number}", "", number, one) for number, one in enumerate(made))
    found = values(row)
    assert found["val.after.perplexity"] == found["test.after.perplexity"] == 11.0
    assert found["val.change_after.perplexity"] == pytest.approx(100 * 4 / 7, abs=1e-6)
    assert found["val.change_after.perplexity_std"] == pytest.approx(100 * (7 / 2**0.5) / 7, abs=1e-6)
    assert set(found) <= set(metrics_of("perplexity"))
    assert set(values(curve)) == set(found)


def test_networks_without_sense_have_no_mean() -> None:
    made = as_text(point(after=-1e300))
    _, row = summaries([LoggedPoint("run", "", 0, made)])
    assert not [name for name in values(row) if "perplexity" in name]
    assert values(row)[schema.SEEDS] == 1


def test_a_description_has_the_metric_in_its_heading() -> None:
    lines = markdown.description("curve", [as_text(point())]).splitlines()
    moments = "| val perplexity before | val perplexity after | test perplexity after |"
    assert f"{moments} test perplexity change, % |" in lines[2]
    assert "| dense | 1.0000 | 1.0x |  | 7.00 | 7.00 |  |" in lines[4]
    assert "| 44.00 | 7.50 | 7.50 | +7.14 |" in lines[5]
    lines = markdown.description("curve", [point()]).splitlines()
    assert "| val before | val after | test after | test change |" in lines[2]
    assert "| 60.00 | 96.50 | 96.50 | -0.50 |" in lines[5]
    assert "in perplexity on val" in markdown.search_heading("search", 3, PERPLEXITY)


TEMPLATES = {
    path.stem: json.loads(path.read_text("utf-8")) for path in Path(board.__file__).parent.glob("views/*.json")
}


def test_a_view_has_the_charts_of_every_metric_and_none_of_both() -> None:
    top1, perplexity = "val.change_after.top1", "val.change_after.perplexity"
    metrics = [top1, f"{top1}_std", perplexity, "density", "level/fc"]
    view = board.filled("tradeoff", TEMPLATES["tradeoff"], metrics)
    shown = [chart["selectedMetricKeys"] for chart in view.state["compareRunCharts"] if not chart["deleted"]]
    assert shown == [
        [perplexity], [top1], [perplexity], [top1],
        [f"{perplexity}_std"], [f"{top1}_std"], ["test.after.perplexity"], ["test.after.top1"],
    ]  # fmt: skip
    study = board.filled("study", TEMPLATES["study"], [perplexity, "level/fc"], "mine")
    charts = [chart for chart in study.state["compareRunCharts"] if not chart["deleted"]]
    assert [chart.get("yaxis", {}).get("key") for chart in charts] == [
        perplexity, "val.after.perplexity", None,
    ]  # fmt: skip
    assert charts[-1]["selectedMetrics"] == ["level/fc", "density", perplexity]
    assert f"metrics.`{top1}`" not in study.state["selectedColumns"]


def test_a_view_of_runs_without_changes_is_about_accuracy() -> None:
    view = board.filled("study", TEMPLATES["study"], ["density"], "mine")
    keys = [chart.get("yaxis", {}).get("key") for chart in view.state["compareRunCharts"] if not chart["deleted"]]
    assert keys == ["val.change_after.top1", "val.after.top1", None]
