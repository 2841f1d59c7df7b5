"""``python -m pruneexp.stability``: recorded points, held against their dense networks and against other seeds."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from analysis import records
from pruneexp.export.lookup import find_point
from pruneexp.schema import WEIGHTS_FILE, read_weights
from pruneexp.stability import __main__ as command
from tests.contracts.jobs import ran, runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("stability")
    for seed in (0, 1):
        ran(made, "curve.densities=[0.5,0.1]", f"seed={seed}")
    return made


def compare(folder: Path, *words: str) -> int:
    return command.main([*words, "--tracking-uri", f"sqlite:///{folder}/mlflow.db", "--store", str(folder / "store")])


def test_losses_and_gains_add_up_to_the_recorded_change(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(folder, "mode=prune", "--csv", str(tmp_path / "rows.csv")) == 0
    assert "same answer" in capsys.readouterr().out
    with (tmp_path / "rows.csv").open() as lines:
        rows = {row["point"]: row for row in csv.DictReader(lines)}
    assert [(row["budget"], row["seed"]) for row in rows.values()] == [
        ("d=0.5", "0"), ("d=0.5", "1"), ("d=0.1", "0"), ("d=0.1", "1"),
    ]  # fmt: skip
    for run in runs(folder):
        row, metrics = rows[run.data.tags["pruneexp.point_key"][:8]], run.data.metrics
        change = metrics["test.after.top1"] - metrics["test.dense.top1"]
        assert float(row["won"]) - float(row["lost"]) == pytest.approx(change, abs=1e-4)
        assert metrics["stability/test.agreement"] == pytest.approx(float(row["agreement"]))
        layers = read_weights(find_point([run.info.run_id], f"sqlite:///{folder}/mlflow.db", []).tracker.text(
            run.info.run_id, WEIGHTS_FILE))  # fmt: skip
        assert sum(sum(layer.after) for layer in layers) == metrics["weights_kept"]
        assert sum(sum(layer.dense) for layer in layers) == metrics["weights_total"]
        for name in ("mask_overlap", "mask_overlap_by_chance"):
            assert metrics[f"stability/{name}"] == pytest.approx(float(row[name]))
    found = records.stability(f"sqlite:///{folder}/mlflow.db", ["pruneexp"])
    assert {len(numbers) for numbers in found.values()} == {6}
    assert found.keys() == {run.info.run_id for run in runs(folder)}
    assert float(rows[next(iter(rows))]["mask_overlap_by_chance"]) == pytest.approx(50.0, abs=3.0)


def test_one_seed_has_no_masks_to_share(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(folder, "seed=0", "density=0.5", "--split", "val") == 0
    assert capsys.readouterr().out.rstrip().endswith(tuple("0123456789"))  # the change of a class, and nothing after it


def test_a_dense_network_that_was_collected_is_computed_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    point = find_point(["seed=0", "density=0.5"], f"sqlite:///{folder}/mlflow.db", [])
    (stored,) = (tmp_path / "copy" / "store").rglob(point.identity.dense_key)
    shutil.rmtree(stored)
    assert compare(tmp_path / "copy", "seed=0", "density=0.5") == 0
    assert "lacks the network: it is computed again" in capsys.readouterr().err


def test_a_point_that_is_not_there_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(folder, "model=nothing") == 2
    assert capsys.readouterr().err.startswith("pruneexp.stability: no recorded point has model=nothing")
