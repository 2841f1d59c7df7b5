"""What is said of times, from times that are known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pruneexp.measure.clock import Timing
from pruneexp.measure.gained import doubt, metrics, rows, sentence
from pruneexp.measure.measuring import FormTimes
from tests.contracts.points import point


def around(median: float) -> Timing:
    return Timing(median, 0.98 * median, 1.02 * median, 20)


FOUND = FormTimes(
    latency={
        "dense": {1: around(2e-3), 64: around(10e-3)},
        "masked": {1: around(2.01e-3), 64: around(10e-3)},
        "csr": {1: around(4e-3), 64: around(5e-3)},
    },
    step={"dense": around(6e-3), "masked": around(8e-3)},
    memory={},
    left_out={"onnxruntime": "onnx is not installed"},
    others=0.05,
    threads=2,
    machine={"processor": "Some CPU", "accelerator": None},
)


def test_the_sentence_is_of_the_first_batch() -> None:
    expected = "10 % of the weights; masked: same latency; csr: 2x slower (batch 1, 2 threads, Some CPU)"
    assert sentence(point(density=0.1).result, FOUND) == expected


def test_what_another_program_gains_by_itself_is_no_gain_of_pruning() -> None:
    times = {"dense": 8e-3, "onnxruntime": 2e-3, "removed": 4e-3, "removed_onnxruntime": 1e-3}
    both = replace(FOUND, latency={form: {1: around(seconds)} for form, seconds in times.items()})
    said = sentence(point(density=0.1).result, both)
    assert "onnxruntime: 4x as fast; removed: 2x as fast; removed_onnxruntime: 2x as fast as onnxruntime" in said


def test_what_is_faster_is_said_so() -> None:
    quick = replace(FOUND, latency={"dense": {8: around(9e-3)}, "csr": {8: around(3e-3)}}, threads=1)
    assert sentence(point(density=0.25).result, quick).startswith("25 % of the weights; csr: 3x as fast (batch 8, 1 ")


def test_without_the_dense_network_nothing_is_compared() -> None:
    alone = replace(FOUND, latency={"csr": {1: around(1e-3)}}, step={})
    assert sentence(point(density=0.1).result, alone) == "10 % of the weights"
    [row] = rows(point().identity, point().result, alone)
    assert math.isnan(row.gain)
    assert row.cells[-1] == ""


def test_a_row_for_each_form_and_batch() -> None:
    made = point(density=0.1)
    found = list(rows(made.identity, made.result, FOUND))
    assert [(row.batch, row.form) for row in found] == [
        (1, "dense"), (1, "masked"), (1, "csr"),
        (64, "dense"), (64, "masked"), (64, "csr"),
        (None, "dense"), (None, "masked"),
    ]  # fmt: skip
    assert found[5].gain == pytest.approx(2.0)
    assert found[5].cells == ("d=0.1", "0.1000", "csr", "64", "5 ms", "4.9 to 5.1 ms", "2.00x")
    assert found[7].cells[2:4] == ("masked, training step", "")


def test_numbers_of_the_run_are_milliseconds() -> None:
    assert metrics(FOUND)["latency/csr.batch64"] == pytest.approx(5.0)
    assert metrics(FOUND)["step/masked"] == pytest.approx(8.0)
    assert len(metrics(FOUND)) == 8


def test_a_busy_machine_is_doubted() -> None:
    assert doubt(FOUND) == ""
    assert doubt(replace(FOUND, others=math.nan)) == ""
    assert "kept 0.9 cores busy" in doubt(replace(FOUND, others=0.9))
