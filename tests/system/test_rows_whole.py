"""One row of each kind of Liu et al. 2019, whole and in small: the commands that a user gives, and what must hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from mlflow.entities import Run

from tests.contracts.commands import called
from tests.contracts.jobs import runs
from tests.contracts.records import fresh_store

EPOCHS = 2
SMALL = (
    "model=vgg_small", "model.image_size=8", "data=synthetic", "data.samples=120", "device=cpu", "reg=weight_decay",
    f"train.epochs={EPOCHS}", f"retrain.epochs={EPOCHS}", "runtime.progress=false", "runtime.dashboard=false",
)  # fmt: skip
#: Modes, and whether the weights that retraining starts from are those of the dense network.
INHERITS = {"prune": True, "scratch_e": False, "scratch_b": False, "rewind": False}
ROWS = {
    "structured": ("criterion=channel_predefined", "+criterion.allocation.keep={conv*: 0.5}", "curve.units=[0.5]"),
    "unstructured": ("criterion=global_magnitude", "criterion.layers=[conv]", "curve.densities=[0.3]"),
}


@pytest.fixture(scope="module", params=ROWS)
def row(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A folder in which all modes of a row have been run."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    fresh_store(folder)
    done = called(folder, "-m", f"mode={','.join(INHERITS)}", *SMALL, *ROWS[request.param])
    assert done.returncode == 0, done.stderr
    return request.param, folder


def points(folder: Path) -> Mapping[str, Run]:
    return {run.data.params["mode"]: run for run in runs(folder)}


def test_each_mode_has_a_whole_record_of_the_same_mask(row: tuple[str, Path]) -> None:
    found = points(row[1])
    assert found.keys() == INHERITS.keys()
    for mode, run in found.items():
        metrics = run.data.metrics
        assert run.info.status == "FINISHED"
        assert {f"{split}.{when}.top1" for split in ("val", "test") for when in ("dense", "after")} <= metrics.keys()
        assert ("test.before.top1" in metrics) == INHERITS[mode]
        assert run.data.params["targets"] == {"structured": "predefined", "unstructured": "discovered"}[row[0]]
    for same in ("test.dense.top1", "density", "flop_weights", "ledger.dense.flop"):
        assert len({run.data.metrics[same] for run in found.values()}) == 1, same
    assert len({run.data.tags["pruneexp.mask_key"] for run in found.values()}) == 1


def test_epochs_are_those_of_the_modes(row: tuple[str, Path]) -> None:
    found = {mode: run.data.metrics for mode, run in points(row[1]).items()}
    numbers = found["scratch_b"]
    left = numbers.get("removed_flop", numbers["flop_total"] - numbers["flop_dense"] + numbers["flop_weights"])
    equal = int(EPOCHS * numbers["flop_total"] / left)
    assert equal >= 2 * EPOCHS
    assert found["prune"]["ledger.retrain.epochs"] == EPOCHS
    spent = {mode: found[mode]["ledger.scratch.epochs"] for mode in ("scratch_e", "scratch_b", "rewind")}
    assert spent == {"scratch_e": EPOCHS, "scratch_b": equal, "rewind": EPOCHS}
    assert numbers["ledger.scratch.flop"] <= numbers["ledger.dense.flop"]


def test_costs_of_what_is_left_are_those_of_the_small_network(row: tuple[str, Path]) -> None:
    """By hand: convolutions of 3 x 3 from 1 to 16 to 32 to 64 maps, two numbers per normalised map, four classes."""
    kind, folder = row
    for run in points(folder).values():
        if kind == "unstructured":
            assert "removed_parameters" not in run.data.metrics
            assert run.data.metrics["density_scope"] == pytest.approx(0.3, abs=1e-4)
            continue
        convolutions = 9 * (1 * 16 + 16 * 32 + 32 * 64)
        assert run.data.metrics["removed_parameters"] == convolutions + 2 * (16 + 32 + 64) + 65 * 4
        assert run.data.metrics["removed_flop"] == 2 * (9 * (16 * 64 + 16 * 32 * 16 + 32 * 64 * 4) + 64 * 4)


def test_the_table_has_the_row_whole(row: tuple[str, Path]) -> None:
    made = called(row[1], "prune_vs_scratch", program="analysis")
    assert made.returncode == 0, made.stderr
    (line,) = [line for line in (row[1] / "reports/prune_vs_scratch.md").read_text().splitlines() if "VGG" in line]
    assert "–" not in line
