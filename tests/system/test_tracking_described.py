"""The text that describes a curve or a search."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pruneexp import schema
from pruneexp.tracking import Parent, Tracker, existing, markdown
from tests.contracts.points import point, with_settings
from tests.contracts.records import client_of, curve_of, fresh_store, log_failure, log_point


def test_a_description_never_outgrows_its_tag() -> None:
    many = [point(density=round(1 - number / 1000, 3)) for number in range(500)]
    text = markdown.description("all of them", many)
    assert len(text) <= 8000
    assert "| d=0.999 | 0.9990 | 1.0x | 60.00 | 96.50 | 96.50 | -0.50 |" in text


def test_a_heading_tells_both_penalties_and_the_settings() -> None:
    made = with_settings(point(reg="l1_then_l2"), reg_strength=1e-4, reg_retrain_strength=5e-4, train_lr=0.02, rounds=1)
    heading = markdown.curve_heading(made)
    assert "l1_then_l2 0.0001, in retraining 0.0005, seed 0" in heading
    assert heading.endswith("train_lr 0.02, rounds 1")


def test_a_finished_curve_carries_its_table_and_totals(tmp_path: Path) -> None:
    tracker = Tracker(fresh_store(tmp_path), "study")
    run_id, client = curve_of(tracker), client_of(tracker)
    tracker.describe(run_id)
    assert markdown.TAG not in client.get_run(run_id).data.tags  # nothing is recorded below it
    for density, after in ((0.1, 90.0), (0.5, 96.5)):
        log_point(tracker, run_id, point(density=density, after=after))
    log_failure(tracker, run_id, {"point_key": "broken"}, "no")
    for _ in range(2):  # the second time nothing is written
        tracker.describe(run_id)
    run = client.get_run(run_id)
    assert "| d=0.1 |" in run.data.tags[markdown.TAG]
    assert (run.data.metrics[schema.RECORDED], run.data.metrics[schema.FAILED]) == (2, 1)


@pytest.mark.parametrize(
    ("limit", "shown", "said"),
    [
        ({}, ["1", "3"], "**search**: of 4 points those that no other beats in accuracy on val at their density or "),
        ({"max_cost": 0.25}, ["3"], "**search**: of 4 points those within 0.25 of the dense density that no other "),
        ({"max_cost": 0.05}, [], "**search**: of 4 points those within 0.05 of the dense density that no other "),
    ],
    ids=str,
)
def test_a_search_is_described_by_the_trials_that_no_other_beats(
    limit: dict[str, float], shown: list[str], said: str, tmp_path: Path
) -> None:
    tracker = Tracker(fresh_store(tmp_path), "study")
    study = tracker.begin(Parent("study", "key", "search", {"study": "search", **limit}, {}, "", {}))
    for number, (density, after) in enumerate(((0.5, 96.0), (0.3, 96.5), (0.2, 90.0), (0.1, 95.0))):
        made = point(density=density, after=after)
        trial = replace(made.identity, study="search", trial=number, point_key=str(number))
        log_point(tracker, study, replace(made, identity=trial))
    (opened,) = existing(tracker.uri, ["study"])
    assert opened.describe_all() == 0  # no summaries; what has no description gets one
    run = client_of(tracker).get_run(study)
    rows = [line for line in run.data.tags[markdown.TAG].splitlines() if line.startswith("| trial")]
    assert [row.split()[2] for row in rows] == shown
    assert run.data.tags[markdown.TAG].startswith(said)
    assert run.data.metrics[schema.RECORDED] == 4
