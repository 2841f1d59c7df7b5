"""What is said of times, from times that are known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pruneexp.measure.__main__ import _BATCHES
from pruneexp.measure.clock import Timing
from pruneexp.measure.forms import FORMS
from pruneexp.measure.gained import doubt, measurement, metrics, rows, sentence
from pruneexp.measure.measuring import FormTimes
from pruneexp.schema import FormNumbers, read_measurement, unmeasured
from pruneexp.tracking.naming import TAG_LIMIT
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
    memory={"dense": {1: 2_000_000, 64: 3_000_000}, "csr": {64: 700_000}},
    sizes={"dense": 1_066_000, "masked": 1_066_000, "csr": 323_000},
    left_out={"onnxruntime": "onnx is not installed"},
    others=0.05,
    threads=2,
    machine={"processor": "Some CPU", "accelerator": None, "torch": "2.9"},
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
    alone = replace(FOUND, latency={"csr": {1: around(1e-3)}}, step={}, memory={}, sizes={})
    assert sentence(point(density=0.1).result, alone) == "10 % of the weights"
    [row] = rows(point().identity, point().result, alone)
    assert math.isnan(row.gain)
    assert row.cells[-3:] == ("", "", "")


def test_a_row_for_each_form_and_batch() -> None:
    made = point(density=0.1)
    found = list(rows(made.identity, made.result, FOUND))
    assert [(row.batch, row.form) for row in found] == [
        (1, "dense"), (1, "masked"), (1, "csr"),
        (64, "dense"), (64, "masked"), (64, "csr"),
        (None, "dense"), (None, "masked"),
    ]  # fmt: skip
    assert found[5].gain == pytest.approx(2.0)
    assert found[5].cells == ("csr", "64", "5", "4.9 – 5.1", "2.00x", "700", "323")
    assert found[7].cells[:2] == ("masked, step", "")
    assert found[0].memory == 2_000_000
    assert found[7].size is None


def test_numbers_of_the_run_are_milliseconds() -> None:
    assert metrics(FOUND)["latency/csr.batch64"] == pytest.approx(5.0)
    assert metrics(FOUND)["step/masked"] == pytest.approx(8.0)
    assert metrics(FOUND)["memory/dense.batch64"] == 3_000_000.0
    assert len(metrics(FOUND)) == 8 + 3


def test_a_step_without_channels_stands_beside_the_others() -> None:
    small = replace(FOUND, step={**FOUND.step, "removed": around(3e-3)})
    assert metrics(small)["step/removed"] == pytest.approx(3.0)
    last = list(rows(point().identity, point().result, small))[-1]
    assert (last.form, last.batch) == ("removed", None)
    assert last.gain == pytest.approx(2.0)
    assert read_measurement(measurement(small).text()).forms[-1].name == "removed"


def test_the_record_is_what_was_measured() -> None:
    made = measurement(FOUND)
    assert made.machine == "2 threads, Some CPU, torch 2.9"
    assert made.forms[5] == FormNumbers("csr", 64, 5.0, 4.9, 5.1, 700_000)
    assert made.forms[7] == FormNumbers("masked", None, 8.0, 7.84, 8.16)
    assert (made.others, made.sizes["csr"]) == (0.05, 323_000)
    assert read_measurement(made.text()) == made
    assert measurement(replace(FOUND, others=math.nan)).others is None


@pytest.mark.parametrize("text", ["{}", '{"forms": [[1]]}', "[]", "null", "cut sho"])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_measurement(text)


def test_the_tag_of_a_run_has_room_for_every_form_at_the_most_batches() -> None:
    peaks = {1000 + n: 10**10 for n in range(_BATCHES)}
    every = {form: {batch: around(1.23456789) for batch in peaks} for form in FORMS}
    step = dict.fromkeys(("dense", "masked", "removed"), around(1.23456789))
    sizes = dict.fromkeys(FORMS, 10**10)
    whole = replace(FOUND, latency=every, step=step, memory=dict.fromkeys(FORMS, peaks), sizes=sizes)
    assert len(measurement(whole).text()) < TAG_LIMIT


def test_before_it_is_measured_a_point_claims_no_latency() -> None:
    made = point(density=0.1)
    does = "no run measures latency: python -m pruneexp.measure point-mn does"
    assert unmeasured(made) == f"10 % of the weights, and all FLOP of a dense runtime; {does}"
    small = replace(made, result=replace(made.result, flop_total=2e6, removed_flop=5e5))
    cut = "25 % of the FLOP without the channels that were cut"
    assert unmeasured(small) == f"10 % of the weights, and {cut}; {does}"
    assert unmeasured(replace(made, result=replace(made.result, test=None))).endswith("; no run measures latency")


def test_a_busy_machine_is_doubted() -> None:
    assert doubt(0.05) == ""
    assert doubt(math.nan) == ""
    assert "kept 0.9 cores busy" in doubt(0.9)
