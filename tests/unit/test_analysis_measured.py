"""What was measured, as a table of forms and as an axis of the trade-off, from hand-made points and times."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analysis.figures import dead_units, tradeoff
from analysis.records import frames, measured_frames, reading
from analysis.statistics import latencies
from analysis.tables import forms
from pruneexp.errors import UserError
from pruneexp.schema import FormNumbers, MeasuredPoint, UnitWeights
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import FigureContract, TableContract
from tests.contracts.points import logged, point, tracking_file

HERE, THERE = "1 thread, Some CPU, torch 2.9", "8 threads, Other CPU, torch 2.9"


def seeds() -> list[LoggedPoint]:
    return logged(*(point(density=density, seed=seed) for density in (0.5, 0.1) for seed in (0, 1)))


def measurement(csr: float, *, machine: str = HERE, others: float | None = 0.0) -> MeasuredPoint:
    """Times in which the dense network takes 8 ms, its ONNX 4 ms, and compressed rows ``csr`` ms, at a batch of 64."""
    return MeasuredPoint(
        machine=machine,
        others=others,
        sizes={"dense": 40_000, "csr": 12_000, "onnxruntime": 41_000},
        forms=(
            FormNumbers("dense", 64, 8.0, 7.0, 9.0, 60_000),
            FormNumbers("csr", 64, csr, csr - 0.5, csr + 0.5, 30_000),
            FormNumbers("onnxruntime", 64, 4.0, 3.9, 4.1),
            FormNumbers("dense", None, 10.0, 9.0, 11.0),
            FormNumbers("masked", None, 12.5, 12.0, 13.0),
        ),
        units=(UnitWeights("live", 900, 0.2, 0.3), UnitWeights("into unread", 10, 0.4, csr / 40)),
    )


RUNS = [one.run_id for one in seeds()]
FOUND = {run: measurement(csr) for run, csr in zip(RUNS, (4.0, 16.0, 2.0, 2.0), strict=True)}


class TestForms(TableContract):
    name = "forms"
    records = staticmethod(seeds)
    measured = FOUND


class TestDeadUnits(FigureContract):
    name = "dead_units"
    records = staticmethod(seeds)
    measured = FOUND


def frame(found: dict[str, MeasuredPoint]) -> pd.DataFrame:
    return measured_frames.forms(frames.frame(seeds()), found)


def axes(found: dict[str, MeasuredPoint]) -> pd.DataFrame:
    return measured_frames.beside(frames.frame(seeds()), found)


def test_the_rows_by_hand() -> None:
    rows = {(row["budget"], row["form"], row["batch"]): row for row in forms.rows(forms.data(frame(FOUND)))}
    assert len(rows) == 2 * 5
    half = rows["density=0.5", "csr", 64]
    assert (half["median_ms"], half["low_ms"], half["high_ms"], half["n"]) == (10.0, 9.5, 10.5, 2)
    assert half["dense_ratio"] == pytest.approx(1.0)  # twice as fast, and half as fast
    assert rows["density=0.1", "csr", 64]["dense_ratio"] == pytest.approx(4.0)
    assert (half["memory_bytes"], half["size_bytes"]) == (30_000, 12_000)
    assert rows["density=0.1", "onnxruntime", 64]["memory_bytes"] is None
    step = rows["density=0.1", "masked", 0]
    assert (step["median_ms"], step["size_bytes"]) == (12.5, None)
    assert step["dense_ratio"] == pytest.approx(0.8)


def test_the_sheet_states_machine_and_load() -> None:
    quiet = forms.sheet(forms.data(frame(FOUND)))
    assert [cell.text for cell in quiet.rows[1]] == ["", "csr", "10 (9.5–10.5)", "1.00×", "30", "12"]
    assert [cell.text for cell in quiet.rows[0]][:2] == ["0.5", "dense"]
    assert f"Measured on {HERE}." in quiet.notes[0]
    assert quiet.notes[-1] == "A step of retraining under masks takes 1.25× the time of one of dense training."
    busy = forms.sheet(forms.data(frame({**FOUND, RUNS[0]: measurement(4.0, others=1.5)})))
    assert busy.notes[-1].startswith("While 1 of 2 rows of networks were measured, other processes kept up to 1.5 ")


def test_machines_are_told_apart() -> None:
    made = forms.data(frame({**FOUND, RUNS[0]: measurement(4.0, machine=THERE)}))
    assert made.varying == ("machine",)
    assert len(made.entries) == 3
    assert forms.sheet(made).header[0] == "machine"


def test_latency_is_that_of_the_fastest_form_beside_what_no_pruning_helps() -> None:
    made = tradeoff.data(axes(FOUND), x="latency")
    after = next(curve for curve in made.curves if curve.moment == "after")
    assert [mark.x for mark in after.marks] == [2.0, 4.0]  # both at half density: 4 and min(16, 4)
    assert made.numbers.dense == 4.0  # onnxruntime, which the zeros do not help
    caption = tradeoff.caption(made)
    assert f"Median latency at batch 64 of each point's fastest form (csr, onnxruntime), on {HERE}." in caption
    assert "Dotted: the fastest form that gains nothing by pruning (dense, onnxruntime)." in caption
    assert made.numbers.x == "latency at batch 64, ms"


def test_one_form_is_held_against_the_dense_network() -> None:
    made = tradeoff.data(axes(FOUND), y="latency/csr.batch64")
    (curve,) = made.curves
    assert [(mark.x, mark.y.mean) for mark in curve.marks] == [(50.0, 10.0), (90.0, 2.0)]
    assert curve.dense == 8.0
    assert made.numbers.y.label == "latency of csr at batch 64, ms"
    assert made.y[0] < 1.5
    assert made.y[1] > 16.0


def test_points_that_are_not_measured_are_counted_with_the_command() -> None:
    some = {run: FOUND[run] for run in RUNS[2:]} | {RUNS[0]: measurement(1.0, machine=THERE)}
    made = tradeoff.data(axes(some), x="latency/csr.batch64")
    command = "python -m pruneexp.measure model=lenet5 data=mnist5k"
    assert f"2 of 4 points are not measured there: left out; {command} does it." in tradeoff.caption(made)
    assert [mark.budget for curve in made.curves for mark in curve.marks] == ["density=0.1"] * 2
    with pytest.raises(UserError, match=rf"^none of these points is measured: `{command}` does it\.$"):
        tradeoff.data(frames.frame(seeds()), x="latency")


def test_a_form_that_some_points_do_not_have_is_no_lack_of_measurement() -> None:
    dense_only = replace(measurement(1.0), forms=measurement(1.0).forms[:1])
    made = tradeoff.data(axes({**FOUND, RUNS[3]: dense_only}), x="latency/csr.batch64")
    said = "1 of 4 points is measured there, but not in this form and at this batch: left out."
    assert said in tradeoff.caption(made)


def test_what_was_not_measured_is_named() -> None:
    with pytest.raises(UserError, match=r"^--x latency/csr\.batch1: not measured \(did you mean latency/csr\.batch64"):
        tradeoff.data(axes(FOUND), x="latency/csr.batch1")
    with pytest.raises(UserError, match=r"^--x latenci: there are pruned, .*, latency, and what was measured"):
        tradeoff.data(axes(FOUND), x="latenci")


def test_what_pruning_gains_in_another_program_is_held_against_that_program() -> None:
    fast = replace(measurement(4.0), forms=(*measurement(4.0).forms, FormNumbers("removed_onnxruntime", 64, 1, 1, 1)))
    rows, column = latencies.measured_column(
        axes(dict.fromkeys(RUNS, fast)), "x", "latency/removed_onnxruntime.batch64"
    )
    assert (column.base, column.base_is) == ("latency/onnxruntime.batch64", "the form onnxruntime")
    assert set(rows[column.column]) == {1.0}
    memory = latencies.measured_column(rows, "y", "memory/csr.batch64")[1]
    assert (memory.title, memory.unit, memory.base) == (
        "peak memory of csr at batch 64",
        "bytes",
        "memory/dense.batch64",
    )
    step = latencies.measured_column(rows, "y", "step/masked")[1]
    assert (step.title, step.base) == ("training step of masked", "step/dense")


def test_weights_of_dead_units_by_hand() -> None:
    made = dead_units.data(axes(FOUND))
    rows = {(row["weights"], row["budget"]): row for row in dead_units.rows(made)}
    assert len(rows) == 4
    unread = rows["into unread units", "density=0.5"]
    assert (unread["left_min"], unread["left_mean"], unread["left_max"]) == pytest.approx((25.0, 62.5, 100.0))
    assert unread["pruned"] == 50.0
    assert rows["weights on live paths", "density=0.1"]["left_mean"] == pytest.approx(150.0)
    assert "Weights over all points: 40 into unread units, 3,600 on live paths." in dead_units.caption(made)


def test_points_without_dead_units_are_said() -> None:
    alive = replace(measurement(1.0), units=(UnitWeights("live", 900, 0.2, 0.3), UnitWeights("into unread", 0, 0, 0)))
    with pytest.raises(UserError, match=r"^none of 4 measured points has a dead unit"):
        dead_units.data(axes(dict.fromkeys(RUNS, alive)))
    with pytest.raises(UserError, match=r"^none of these points is measured"):
        dead_units.data(axes({}))
    some = dead_units.data(axes({run: FOUND[run] for run in RUNS[1:]}))
    command = "python -m pruneexp.measure model=lenet5 data=mnist5k"
    assert dead_units.caption(some).endswith(f"1 of 4 points are not measured: {command} does it.")


def test_measurements_are_read_from_tags_and_what_is_damaged_is_none(tmp_path: Path) -> None:
    path = tracking_file(tmp_path / "mlflow.db", seeds())
    with closing(sqlite3.connect(path)) as connection, connection:
        for run, text in ((RUNS[0], FOUND[RUNS[0]].text()), (RUNS[1], "{cut")):
            connection.execute("INSERT INTO tags VALUES (?, 'pruneexp.measured', ?)", (run, text))
    assert reading.measurements(f"sqlite:///{path}", ["pruneexp"]) == {RUNS[0]: FOUND[RUNS[0]]}
    csr = axes({RUNS[0]: FOUND[RUNS[0]]}).set_index("run_id")["latency/csr.batch64"].to_dict()
    assert csr[RUNS[0]] == 4.0
    assert math.isnan(csr[RUNS[1]])
    assert "machine" not in axes({})
