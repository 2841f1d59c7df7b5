"""Summaries over seeds: worked out by hand, made once, renewed when a seed is added, and never counted as points."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis import records
from pruneexp import schema
from pruneexp.schema.columns import LoggedPoint
from pruneexp.tracking import Parent, Tracker, existing
from pruneexp.tracking.runs import NewRun
from pruneexp.tracking.summaries import metrics_of, summaries
from tests.contracts.points import point, with_settings
from tests.contracts.records import CURVE, ENVIRONMENT, client_of, curve_of, fresh_store, log_point, runs


def recorded(*points: schema.TradeoffPoint) -> list[LoggedPoint]:
    return [LoggedPoint(f"run {number}", "", number, one) for number, one in enumerate(points)]


def kind(one: NewRun) -> str:
    return one.tags[schema.SUMMARY_OF]


def values(one: NewRun) -> dict[str, float]:
    return {value.name: value.value for value in one.values}


def test_mean_standard_deviation_and_n_of_three_seeds() -> None:
    losses = {0: 1.0, 1: 2.0, 2: 6.0}
    curve, row = summaries(recorded(*(point(seed=seed, after=97.0 - loss) for seed, loss in losses.items())))
    assert (kind(curve), kind(row)) == ("curves", "points")
    assert row.name == "d=0.10 · l2 0.0005 · one_shot · prune · layer_magnitude · lenet5 · 3 seeds"
    found = values(row)
    assert found[schema.SEEDS] == 3
    assert found["val.change_after.top1"] == pytest.approx(-3.0)
    assert found["val.change_after.top1_std"] == pytest.approx(math.sqrt((4 + 1 + 9) / 2))
    assert found["density"] == pytest.approx(0.1)
    assert found[schema.COMPRESSION] == pytest.approx(10.0)
    assert set(found) <= set(metrics_of("top1"))
    assert "seed" not in row.params
    assert row.params["budget.value"] == "0.1"


def test_doubtful_points_are_counted_beside_their_mean() -> None:
    sound, blind, deaf = (point(seed=seed) for seed in range(3))
    after = replace(blind.result.val.after, undefined=42, images=102)
    blind = replace(blind, result=replace(blind.result, val=replace(blind.result.val, after=after)))
    for one in summaries(recorded(sound, blind, replace(deaf, disconnected=True))):
        assert one.tags[schema.UNDEFINED] == one.tags[schema.DISCONNECTED] == "1 of 3 points"
    for one in summaries(recorded(sound)):
        assert not {schema.UNDEFINED, schema.DISCONNECTED} & one.tags.keys()


def test_one_seed_has_no_spread() -> None:
    _, row = summaries(recorded(point()))
    assert values(row)[schema.SEEDS] == 1
    assert not [name for name in values(row) if name.endswith(schema.SPREAD)]


def test_a_curve_has_a_value_per_budget_and_nothing_else_joins_it() -> None:
    made = [point(seed=seed, density=density, reg=reg) for seed in (0, 1) for density in (0.5, 0.1) for reg in "ab"]
    found = summaries(recorded(*made))
    assert [kind(one) for one in found] == ["curves", "points", "points"] * 2
    assert [value.step for value in found[0].values if value.name == "density"] == [50_000, 90_000]
    assert len({one.tags[schema.SUMMARY_KEY] for one in found}) == 6


def test_a_seed_that_was_recorded_again_counts_once_and_its_last_number_counts() -> None:
    _, row = summaries(recorded(point(after=90.0), point(after=96.0)))
    assert values(row)[schema.SEEDS] == 1
    assert values(row)["val.change_after.top1"] == pytest.approx(-1.0)


def test_trials_of_a_search_are_no_repetitions() -> None:
    trial = point()
    assert summaries(recorded(replace(trial, identity=replace(trial.identity, study="s", trial=3)))) == []


def test_modes_are_compared_where_one_is_from_scratch() -> None:
    alone = summaries(recorded(point(mode="prune"), point(mode="rewind")))
    assert not any(schema.COMPARED in one.tags for one in alone)
    other = point(mode="scratch_e", reg="l1")
    both = summaries(recorded(point(mode="prune"), point(mode="scratch_e"), other))
    assert {one.params["reg"] for one in both if schema.COMPARED in one.tags} == {"l2"}


def test_lines_of_other_settings_bear_other_names() -> None:
    weak, strong = (
        with_settings(point(reg="l1"), reg_strength=value, reg_settings=str(value)) for value in (1e-5, 1e-4)
    )
    fast = with_settings(strong, train_lr=0.1, batch_size=32, train_epochs=4, retrain_epochs=2)
    scratch = [with_settings(point(mode="scratch_b"), cap=cap, mode_settings=str(cap)) for cap in (None, 2.0)]
    rounds = [
        with_settings(point(schedule="iterative"), rounds=count, schedule_settings=str(count)) for count in (3, 5)
    ]
    both = with_settings(point(reg="l1_then_l2"), reg_strength=1e-4, reg_retrain_strength=5e-4)
    found = [
        one.name for one in summaries(recorded(weak, strong, fast, *scratch, *rounds, both)) if kind(one) == "curves"
    ]
    ending = "layer_magnitude · lenet5"
    assert sorted(found) == [
        f"l1 0.0001 · one_shot · prune · {ending} · 1 seed",
        f"l1 0.0001 · one_shot · prune · {ending} · lr 0.1 · batch 32 · epochs 4 + 2 · 1 seed",
        f"l1 1e-05 · one_shot · prune · {ending} · 1 seed",
        f"l1_then_l2 0.0001 0.0005 · one_shot · prune · {ending} · 1 seed",
        f"l2 0.0005 · iterative 3 · prune · {ending} · 1 seed",
        f"l2 0.0005 · iterative 5 · prune · {ending} · 1 seed",
        f"l2 0.0005 · one_shot · scratch_b cap 2 · {ending} · 1 seed",
        f"l2 0.0005 · one_shot · scratch_b · {ending} · 1 seed",
    ]


def test_switches_of_a_mode_are_curves_of_one_contest() -> None:
    modes = [("prune", None), ("scratch_b", None), ("scratch_b", 2.0)]
    made = [with_settings(point(mode=mode), cap=cap, mode_settings=f"{mode} {cap}") for mode, cap in modes]
    curves = [one for one in summaries(recorded(*made)) if kind(one) == "curves"]
    assert len(curves) == 3
    assert len({one.tags[schema.CONTEST] for one in curves}) == 1


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    return Tracker(fresh_store(tmp_path), "study")


def record(tracker: Tracker, *points: schema.TradeoffPoint) -> None:
    """Record points of one curve as a job does."""
    key = points[0].identity.curve_key
    curve = tracker.begin(Parent("curve", key, key, {**CURVE, "seed": points[0].identity.seed}, {}, "", ENVIRONMENT))
    for one in points:
        log_point(tracker, curve, one)
    tracker.update(curve, "FINISHED")
    tracker.describe(curve)


def numbers(tracker: Tracker) -> dict[str, dict[str, Any]]:
    found = runs(tracker, f"tags.`{schema.KIND}` = 'summary'")
    return {run.info.run_name: {**run.data.metrics, **run.data.params} for run in found}


def test_jobs_renew_summaries_that_readers_of_points_never_count(tracker: Tracker) -> None:
    record(tracker, point(seed=0), point(seed=0, density=0.5))
    record(tracker, point(seed=0, reg="l1"))
    assert len(numbers(tracker)) == 5
    record(tracker, point(seed=1), point(seed=1, density=0.5))
    found = numbers(tracker)
    assert len(found) == 5
    assert found["d=0.10 · l2 0.0005 · one_shot · prune · layer_magnitude · lenet5 · 2 seeds"][schema.SEEDS] == 2
    assert found["d=0.10 · l1 5e-05 · one_shot · prune · layer_magnitude · lenet5 · 1 seed"][schema.SEEDS] == 1
    read = records.points(tracker.uri)
    assert (len(read.records), read.notes) == (5, ())
    assert set(read.records["density"].to_pylist()) == {one.result.density for one in (point(), point(density=0.5))}


def test_the_command_describes_again_what_has_got_more_points(tracker: Tracker) -> None:
    record(tracker, point(seed=0))
    curve = curve_of(tracker, point(seed=0).identity.curve_key)
    log_point(tracker, curve, point(seed=0, density=0.5))  # as with runtime.dashboard=false
    (opened,) = existing(tracker.uri, ["study"])
    opened.describe_all()
    (run,) = runs(tracker, f"tags.`{schema.KIND}` = 'curve'")
    assert run.data.metrics[schema.RECORDED] == 2
    assert "d=0.5" in run.data.tags["mlflow.note.content"]


def test_the_command_finds_nothing_to_change_after_the_jobs(tracker: Tracker) -> None:
    record(tracker, point(seed=0))
    record(tracker, point(seed=1, mode="scratch_e"))
    (opened,) = existing(tracker.uri, ["study"])
    before = {run.info.run_id for run in runs(tracker, "")}
    assert opened.describe_all() == 4
    assert {run.info.run_id for run in runs(tracker, "")} == before
    client = client_of(tracker)
    for run in runs(tracker, f"tags.`{schema.KIND}` = 'point' and params.mode = 'scratch_e'"):
        client.delete_run(run.info.run_id)
    assert opened.describe_all() == 2
    assert [found["mode"] for found in numbers(tracker).values()] == ["prune", "prune"]
