"""Metrics whose better values are larger or smaller: changes, losses and merits, and records that name one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pruneexp import schema
from pruneexp.schema import TOP1, TOP5, Metric
from pruneexp.schema.columns import OPTIONAL, SCHEMA, joined, other_numbers, table
from pruneexp.summary.pareto import dominated, pareto_front
from tests.contracts.points import PERPLEXITY, as_text, logged, point
from tests.contracts.scans import as_text as scan_as_text
from tests.contracts.scans import scan

SHARE = Metric("error", "%", "minimize")
RATE = Metric("bleu")
values = st.floats(0.01, 1e6)


@pytest.mark.parametrize(
    ("metric", "dense", "after", "change", "loss"),
    [
        (TOP1, 97.0, 96.5, -0.5, 0.5),
        (SHARE, 3.0, 3.5, 0.5, 0.5),
        (PERPLEXITY, 4.0, 5.0, 25.0, 25.0),
        (PERPLEXITY, 4.0, 3.0, -25.0, -25.0),
        (RATE, 20.0, 15.0, -25.0, 25.0),
        (Metric("log", direction="minimize"), -2.0, -1.0, 50.0, 50.0),
    ],
)
def test_changes_and_losses_by_hand(metric: Metric, dense: float, after: float, change: float, loss: float) -> None:
    assert metric.change(dense, after) == change
    assert metric.loss(dense, after) == loss


def test_nothing_is_lost_where_nothing_changes() -> None:
    for metric in (TOP1, SHARE, PERPLEXITY, RATE):
        assert math.copysign(1.0, metric.loss(5.0, 5.0)) == 1.0  # no table says -0.00
        assert math.isnan(metric.change(0.0, 1.0)) == (metric.unit == "")


@given(st.sampled_from([TOP1, SHARE, PERPLEXITY, RATE]), values, values, values)
def test_merits_differ_by_the_loss_between_two_values(metric: Metric, dense: float, one: float, other: float) -> None:
    lost = metric.merit(dense, one) - metric.merit(dense, other)
    assert lost == pytest.approx(metric.loss(dense, other) - metric.loss(dense, one), rel=1e-6, abs=1e-6)


def test_the_merit_of_an_accuracy_is_the_accuracy() -> None:
    assert TOP1.merit(97.0, 96.4) == 96.4


def test_the_front_of_perplexity_by_hand() -> None:
    found = {"dense": (4.0, 1.0), "half": (4.4, 0.5), "worse": (4.5, 0.6), "few": (8.0, 0.1)}
    merits = {name: (PERPLEXITY.merit(4.0, value), density) for name, (value, density) in found.items()}
    assert pareto_front(merits) == ["few", "half", "dense"]
    assert dominated(merits["worse"], list(merits.values()), margin=2.0)  # half is 2.5 % of 4.0 better
    assert not dominated(merits["worse"], list(merits.values()), margin=3.0)


def test_the_words_of_metrics() -> None:
    told = [(metric.word, metric.title, metric.change_unit) for metric in (TOP1, TOP5, PERPLEXITY)]
    assert told == [
        ("accuracy", "top-1 accuracy", "points"),
        ("top5", "top-5 accuracy", "points"),
        ("perplexity", "perplexity", "%"),
    ]


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "mean loss", "loss", "undefined", "images"])
def test_a_name_that_cannot_stand_in_a_record_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="names no metric: allowed are letters"):
        Metric(name)


def test_records_of_classification_name_no_task_and_no_metric() -> None:
    flat = schema.flatten(point().identity)
    assert not [name for name in flat if name in OPTIONAL]
    assert schema.unflatten(schema.PointIdentity, {name: str(value) for name, value in flat.items()}).primary == TOP1


def test_a_metric_survives_as_text() -> None:
    flat = {name: str(value) for name, value in schema.flatten(as_text(point()).identity).items()}
    assert {name: flat[name] for name in OPTIONAL if name in flat} == {
        "task": "language_model",
        "metric.name": "perplexity",
        "metric.unit": "",
        "metric.direction": "minimize",
    }
    assert schema.unflatten(schema.PointIdentity, flat).primary == PERPLEXITY


def test_derived_numbers_are_named_after_the_metric() -> None:
    # dense 7; before 104 - 60 = 44, after 104 - 96.5 = 7.5
    found = schema.derived(as_text(point()))
    assert {name: number for name, number in found.items() if ".change_" in name} == {
        "val.change_before.perplexity": pytest.approx(100 * 37 / 7),
        "val.change_after.perplexity": pytest.approx(100 * 0.5 / 7),
        "test.change_before.perplexity": pytest.approx(100 * 37 / 7),
        "test.change_after.perplexity": pytest.approx(100 * 0.5 / 7),
    }
    accuracy = schema.derived(point(val_after=96.75))
    assert {name: number for name, number in accuracy.items() if ".change_" in name} == {
        "val.change_before.top1": -37.0,
        "val.change_after.top1": -0.25,
        "test.change_before.top1": -37.0,
        "test.change_after.top1": -0.5,
    }


def test_the_headings_of_a_metric_name_the_split() -> None:
    assert [TOP1.heading("val", "after"), TOP1.change_heading("test")] == ["val after", "test change"]
    told = [PERPLEXITY.heading("val", "after"), PERPLEXITY.change_heading("test")]
    assert told == ["val perplexity after", "test perplexity change, %"]
    assert SHARE.change_heading("val") == "val error change"


@pytest.mark.parametrize(("made", "name"), [(point(), "top1"), (as_text(point()), "perplexity")])
def test_a_point_without_its_primary_metric_is_refused(made: schema.TradeoffPoint, name: str) -> None:
    identity, result = schema.flatten(made.identity), schema.flatten(made.result)
    assert schema.read_point(identity, result) == (made.identity, made.result)
    for missing in (f"val.before.{name}", f"test.after.{name}"):
        lacking = {key: value for key, value in result.items() if key != missing}
        with pytest.raises(KeyError) as caught:
            schema.read_point(identity, lacking)
        assert caught.value.args == (missing,)


def test_a_scan_without_its_primary_metric_is_refused() -> None:
    made = scan_as_text(scan())
    record: dict[str, Any] = {"dense": schema.flatten(made.dense), "images": 200}
    record["rows"] = [schema.flatten(row) for row in made.rows]
    assert schema.read_scan(made.identity, record) == made
    with pytest.raises(KeyError, match=r"dense\.top1"):
        schema.read_scan(replace(made.identity, metric=None), record)


def test_doubts_speak_of_examples_where_there_are_no_images() -> None:
    made = point()
    after = replace(made.result.val.after, undefined=3, images=20)
    made = replace(made, disconnected=True, result=replace(made.result, val=replace(made.result.val, after=after)))
    told = "disconnected: the same outputs for every image", "not a number on 3 of 20 images of val"
    assert schema.doubts(made) == told
    text = with_task(made)
    assert schema.doubts(text) == tuple(sentence.replace("image", "example") for sentence in told)


def with_task(made: schema.TradeoffPoint) -> schema.TradeoffPoint:
    return replace(made, identity=replace(made.identity, task="language_model"))


def test_a_table_has_a_column_for_each_metric_of_its_points() -> None:
    images, text = table(logged(point())), table(logged(as_text(point())))
    assert images.schema == SCHEMA
    assert text.column_names[: len(SCHEMA)] == SCHEMA.names
    scores = [f"{split}.{moment}.perplexity" for split in ("val", "test") for moment in ("dense", "after", "before")]
    assert text.column_names[len(SCHEMA) :] == other_numbers(text.column_names) == scores
    both = joined([images, text, images])
    assert both["val.after.top1"].to_pylist() == [96.5, 96.5, None]
    assert both["val.after.perplexity"].to_pylist() == [None, None, 7.5]
    assert table(logged(point(), as_text(point())))["test.dense.perplexity"].to_pylist() == [None, 7.0]
