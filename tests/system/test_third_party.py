"""A third party's parts, one file and its YAML each, through the whole chain: no file of ours names any of them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pruneexp.cache.store import Store
from pruneexp.schema import PointIdentity, PointResult, unflatten, with_hashes
from tests.contracts.commands import called
from tests.contracts.jobs import runs
from tests.contracts.records import fresh_store

THIRD_PARTY = Path(__file__).parents[1] / "third_party"
USED = ("--config-dir", str(THIRD_PARTY), "device=cpu", "runtime.dashboard=false")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Task, data, network, penalty, criterion, allocation, unit, schedule, mode, stage, trainer and cost at once."""
    folder = tmp_path_factory.mktemp("third_party")
    fresh_store(folder)
    planned = called(folder, *USED, "experiment=everything", "plan=true")
    assert "2 to average, 0 in the store" in planned.stdout, planned.stderr
    done = called(folder, *USED, "experiment=everything")
    assert done.returncode == 0, done.stderr
    return folder


def test_its_points_are_recorded(folder: Path) -> None:
    found = runs(folder)
    assert len(found) == 2
    for run in found:
        of, result = (
            unflatten(PointIdentity, with_hashes(run.data.params, run.data.tags)),
            unflatten(PointResult, run.data.metrics),
        )
        assert (of.task, of.primary.name, of.trainer) == ("regression", "mse", "small_parts.InTurn")
        assert (of.model, of.data, of.reg, of.criterion) == ("small", "sums", "cubic", "tiles")
        assert (of.schedule, of.mode) == ("halfway", "averaged")
        assert run.data.metrics["cost.mac8"] == result.cost.values["mac8"] == result.flop_effective / 2
        assert result.ledger.retrain.stages == 3
        assert result.weights_total == 8 * 16 + 16
        assert (
            result.weights_kept == 8 * 16 + 16 * of.budget.value
        )  # the first layer stays whole; the last has tiles of 4


def test_the_same_command_computes_nothing(folder: Path) -> None:
    planned = called(folder, *USED, "experiment=everything", "plan=true")
    assert "2 asked, 2 in the store" in planned.stdout, planned.stderr


def test_its_table_and_its_figure_of_the_cost_are_made(folder: Path) -> None:
    for name in ("costs", "kept", "kept_bytes"):
        done = called(folder, "--plugins", str(THIRD_PARTY), name, program="analysis")
        assert done.returncode == 0, done.stderr
    [drawn] = (folder / "reports").glob("costs-*.csv")
    with drawn.open() as file:
        rows = list(csv.DictReader(file))
    recorded = sorted(run.data.metrics["cost.mac8"] for run in runs(folder))
    assert sorted(float(row["macs"]) for row in rows) == recorded


def test_tokens_are_learned_by_its_network(folder: Path) -> None:
    words = ("data=turns", "model=table", "train.epochs=20", "train.lr=0.5", "curve.densities=[0.5]")
    done = called(folder, *USED, *words, "runtime.experiment=tokens")
    assert done.returncode == 0, done.stderr
    (run,) = runs(folder, experiment="tokens")
    assert run.data.metrics["val.dense.perplexity"] < 1.2  # two tokens, of which the next is certain


def test_its_edit_holds_in_the_network_that_is_stored(folder: Path) -> None:
    words = ("data=sums", "model=small", "criterion=ternary", "curve.densities=[0.5]", "train.epochs=10")
    done = called(folder, *USED, *words, "runtime.experiment=ternary")
    assert done.returncode == 0, done.stderr
    (run,) = runs(folder, experiment="ternary")
    stored = Store(folder / ".pruneexp/store").load(run.data.tags["pruneexp.final_key"])
    assert stored is not None
    for layer in ("0", "2"):
        sizes = stored.tensors[f"{layer}.weight"].abs().unique()
        assert len(sizes[sizes > 0]) == 1
    bits = 8 * run.data.metrics["bytes_sparse"]
    assert (
        bits <= run.data.metrics["weights_kept"] * (1 + 5) + 3 * 8
    )  # signs and indices, whole bytes, perhaps a filler


def test_an_auxiliary_head_is_trained_by_its_task(folder: Path) -> None:
    words = ("data=synthetic", "+data.info.task={_target_: heads.TwoHeads}", "model=branched", "train.epochs=5")
    done = called(folder, *USED, *words, "curve.densities=[0.5]", "runtime.experiment=heads")
    assert done.returncode == 0, done.stderr
    (run,) = runs(folder, experiment="heads")
    assert run.data.metrics["val.dense.top1"] > 50  # of four classes
    stored = Store(folder / ".pruneexp/store").load(run.data.tags["pruneexp.dense_key"])
    other = called(folder, *USED, "data=synthetic", "model=branched", "train.epochs=5", "plan=true")
    assert stored is not None
    assert "the model gives a tuple in training mode" in other.stderr  # which classification does not take
