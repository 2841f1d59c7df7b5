"""Trade-off points made by hand, for tests of code that reads records."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from pruneexp.schema import (
    COLLAPSE,
    KIND,
    Budget,
    BudgetKind,
    Metric,
    PointIdentity,
    PointResult,
    Score,
    Scores,
    TradeoffPoint,
    flatten,
    names_text,
)
from pruneexp.schema.columns import LoggedPoint

PERPLEXITY = Metric("perplexity", direction="minimize")


def point(
    *,
    model: str = "lenet5",
    data: str = "mnist5k",
    reg: str = "l2",
    criterion: str = "layer_magnitude",
    schedule: str = "one_shot",
    mode: str = "prune",
    seed: int = 0,
    density: float = 0.1,
    budget: BudgetKind = "density",
    dense: float = 97.0,
    before: float | None = 60.0,
    after: float = 96.5,
    val_offset: float = 0.0,
    val_after: float | None = None,
) -> TradeoffPoint:
    """One complete point of a network of 10,000 weights.

    ``dense``, ``before`` and ``after`` are test accuracies in percent; val accuracies lie ``val_offset`` higher, but
    for ``val_after`` where it is given.
    Networks from scratch have no ``before``. Keys follow from the arguments, so equal arguments give equal points.
    """
    if mode in ("scratch_e", "scratch_b"):
        before = None
    trained = f"{data}-{model}-{reg.removesuffix('_then_l2')}-{seed}"
    mask = f"{trained}-{criterion}-{schedule}-{density}"
    identity = PointIdentity(
        model=model,
        data=data,
        train=f"{data}_{model}",
        reg=reg,
        reg_strength=5e-4 if reg == "l2" else 5e-5,
        dropout="scaled",
        criterion=criterion,
        schedule=schedule,
        retrain_scope="whole",
        mode=mode,
        seed=seed,
        budget=Budget(budget, density if budget == "density" else 2.0),
        curve_key=f"curve-{trained}-{reg}-{criterion}-{schedule}-{mode}",
        point_key=f"point-{mask}-{reg}-{mode}-{budget}",
        dense_key=f"dense-{trained}",
        mask_key=f"mask-{mask}",
        final_key=f"final-{mask}-{reg}-{mode}",
        data_fingerprint=f"fingerprint-{data}",
        device="cpu",
        precision="float32",
    )
    test = Scores(dense=_score(dense), before=None if before is None else _score(before), after=_score(after))
    val = Scores(
        dense=_score(dense + val_offset),
        before=None if before is None else _score(before + val_offset),
        after=_score(after + val_offset if val_after is None else val_after),
    )
    return TradeoffPoint(identity=identity, result=_result(density, val, test))


def _result(density: float, val: Scores, test: Scores) -> PointResult:
    kept = round(10_000 * density)
    return PointResult(
        density_asked=density,
        density=kept / 10_000,
        density_scope=kept / 10_000,
        density_effective=kept / 10_000,
        weights_total=10_000,
        weights_kept=kept,
        val=val,
        test=test,
        flop_dense=2e6,
        flop_weights=2e6 * density,
        flop_effective=1e6 * density,
        activation_share=0.5,
        neurons_total=500,
        neurons_dead=3,
        bytes_dense=40_000,
        bytes_sparse=5 * kept,
    )


def _score(top1: float) -> Score:
    return Score(loss=(100.0 - top1) / 50.0, metrics={"top1": top1, "top5": min(100.0, top1 + 2.0)})


def with_top5(made: TradeoffPoint, *, dense: float, after: float) -> TradeoffPoint:
    """The same point with other top-5 test accuracies, in percent."""
    test = made.result.test
    assert test is not None
    scores = replace(test, dense=_with(test.dense, top5=dense), after=_with(test.after, top5=after))
    return replace(made, result=replace(made.result, test=scores))


def _with(score: Score, **values: float) -> Score:
    return replace(score, metrics={**score.metrics, **values})


def as_text(made: TradeoffPoint) -> TradeoffPoint:
    """The same point of a language model; its perplexity is 104 less the accuracy: 7 where that is 97 %."""
    result = made.result
    test = None if result.test is None else _perplexities(result.test)
    identity = {"task": "language_model", "metric": PERPLEXITY, "point_key": f"{made.identity.point_key}-text"}
    made = replace(made, result=replace(result, val=_perplexities(result.val), test=test))
    return with_settings(made, **identity)


def _perplexities(scores: Scores) -> Scores:
    def of(score: Score) -> Score:
        return replace(score, metrics={PERPLEXITY.name: 104.0 - score["top1"]})

    before = None if scores.before is None else of(scores.before)
    return Scores(dense=of(scores.dense), before=before, after=of(scores.after))


def with_settings(made: TradeoffPoint, **values: Any) -> TradeoffPoint:
    """The same point with other values in its identity."""
    return replace(made, identity=replace(made.identity, **values))


def logged(*made: TradeoffPoint, experiment: str = "pruneexp") -> list[LoggedPoint]:
    """Points as if logged one after the other, each in a run of its own."""
    return [LoggedPoint(f"{number:032x}", experiment, 1_000 * number, one) for number, one in enumerate(made, start=1)]


def tracking_file(path: Path, points: Iterable[LoggedPoint], status: str = "FINISHED") -> Path:
    """A SQLite file with those tables of an MLflow store that hold runs; made in milliseconds, without MLflow."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(TABLES)
        for run_id, experiment, started, one in points:
            connection.execute("INSERT OR IGNORE INTO experiments VALUES (?, ?, 'active')", (experiment, experiment))
            connection.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, 'active', '')",
                (run_id, experiment, status, started, started + 500),
            )
            tags = {KIND: "point", COLLAPSE: names_text(one.collapsed)}
            params = {key: str(value) for key, value in flatten(one.identity).items()}
            for table, values in (("tags", tags), ("params", params)):
                rows = [(run_id, key, value) for key, value in values.items()]
                connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", rows)
            metrics = [(run_id, key, float(value), 0, started) for key, value in flatten(one.result).items()]
            connection.executemany("INSERT INTO latest_metrics VALUES (?, ?, ?, ?, ?)", metrics)
    return path


TABLES = """
    CREATE TABLE experiments (experiment_id TEXT PRIMARY KEY, name TEXT, lifecycle_stage TEXT);
    CREATE TABLE runs (run_uuid TEXT, experiment_id TEXT, status TEXT, start_time INT, end_time INT,
        lifecycle_stage TEXT, artifact_uri TEXT);
    CREATE TABLE params (run_uuid TEXT, key TEXT, value TEXT);
    CREATE TABLE tags (run_uuid TEXT, key TEXT, value TEXT);
    CREATE TABLE latest_metrics (run_uuid TEXT, key TEXT, value REAL, is_nan INT, timestamp INT);
"""
