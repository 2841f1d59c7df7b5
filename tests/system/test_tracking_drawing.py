"""The picture and the text that describe a curve."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from pruneexp import schema
from pruneexp.tracking import Parent, Tracker, markdown, open_pages
from pruneexp.tracking.drawing import Polyline, tradeoff_svg
from tests.contracts.points import point, with_settings
from tests.contracts.records import artefact, client_of, curve_of, fresh_store

SVG = "{http://www.w3.org/2000/svg}"


def corners(svg: str) -> list[tuple[float, float]]:
    line = ET.fromstring(svg).find(f"{SVG}polyline")
    assert line is not None
    pairs = (pair.split(",") for pair in line.attrib["points"].split())
    return [(float(x), float(y)) for x, y in pairs]


def test_compression_grows_to_the_right_and_losses_upwards() -> None:
    line = Polyline("<a>", "#000", [(0.5, 1), (0.25, 0), (0.125, 3)])
    (x1, y1), (x2, y2), (x3, y3) = corners(tradeoff_svg([line], "&"))  # sorted by density
    assert x1 > x2 > x3
    assert x1 - x2 == pytest.approx(x2 - x3, abs=0.2)  # halving is the same step everywhere
    assert y1 < y3 < y2


def test_a_single_point_and_equal_heights_can_be_drawn() -> None:
    assert len(corners(tradeoff_svg([Polyline("a", "#000", [(0.1, 2.0)])], "loss"))) == 1
    assert len(corners(tradeoff_svg([Polyline("a", "#000", [(0.1, 2.0), (0.2, 2.0)])], "loss"))) == 2


@pytest.mark.parametrize("points", [[], [(0.0, 1.0)]])
def test_nothing_to_draw_is_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        tradeoff_svg([Polyline("a", "#000", points)], "loss")


def test_a_description_never_outgrows_its_tag() -> None:
    many = [point(density=round(1 - number / 1000, 3)) for number in range(500)]
    text = markdown.description("all of them", many, "run")
    assert len(text) <= 8000
    assert text.rstrip().endswith("(get-artifact?path=curve.svg&run_uuid=run)")
    assert "| d=0.999 | 0.9990 | 1.0x | 60.00 | 96.50 | +0.50 | 96.50 |" in text


def test_a_heading_tells_both_penalties_and_the_settings() -> None:
    made = with_settings(point(reg="l1_then_l2"), reg_strength=1e-4, reg_retrain_strength=5e-4, train_lr=0.02, rounds=1)
    heading = markdown.curve_heading(made)
    assert "l1_then_l2 0.0001, in retraining 0.0005, seed 0" in heading
    assert heading.endswith("train_lr 0.02, rounds 1")


def test_a_finished_curve_carries_series_table_and_picture(tmp_path: Path) -> None:
    tracker = Tracker(fresh_store(tmp_path), "study")
    run_id, client = curve_of(tracker), client_of(tracker)
    tracker.describe(run_id)
    assert markdown.TAG not in client.get_run(run_id).data.tags  # nothing is recorded below it
    for density, after in ((0.1, 90.0), (0.5, 96.5)):
        tracker.log_point(run_id, point(density=density, after=after))
    tracker.log_failure(run_id, {"point_key": "broken"}, "no")
    for _ in range(2):  # the second time nothing is written
        tracker.describe(run_id)
    run = client.get_run(run_id)
    assert "| d=0.1 |" in run.data.tags[markdown.TAG]
    assert len(corners(artefact(run, schema.DRAWING_FILE))) == 2
    series = client.get_metric_history(run_id, schema.ACCURACY_LOSS)
    assert [(one.step, one.value) for one in series] == [(50_000, 0.5), (90_000, 7.0)]
    assert (run.data.metrics[schema.RECORDED], run.data.metrics[schema.FAILED]) == (2, 1)


def test_a_search_is_described_by_the_trials_that_no_other_beats(tmp_path: Path) -> None:
    tracker = Tracker(fresh_store(tmp_path), "study")
    study = tracker.begin(Parent("study", "key", "search", {"study": "search"}, {}, "", {}))
    for number, (density, after) in enumerate(((0.5, 96.0), (0.3, 96.5), (0.2, 90.0), (0.1, 95.0))):
        made = point(density=density, after=after)
        trial = replace(made.identity, study="search", trial=number, point_key=str(number))
        tracker.log_point(study, replace(made, identity=trial))
    (pages,) = open_pages(tracker.uri, ["study"])
    assert pages.summarise() == 0  # no summaries; what has no description gets one
    run = client_of(tracker).get_run(study)
    rows = [line for line in run.data.tags[markdown.TAG].splitlines() if line.startswith("| trial")]
    assert [row.split()[2] for row in rows] == ["1", "3"]
    assert len(corners(artefact(run, schema.DRAWING_FILE))) == 2
    assert run.data.metrics[schema.RECORDED] == 4
