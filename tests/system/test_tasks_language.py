"""A language model the whole way: a text of the user's own, points, a scan, a search, a figure and a table."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from pruneexp.schema import PointIdentity, ScanIdentity, unflatten, with_hashes
from tests.contracts.commands import called
from tests.contracts.jobs import runs
from tests.contracts.records import fresh_store

#: Thirty-six different letters in an order that a network can learn.
TEXT = "the quick brown fox jumps over the lazy dog, and so on.\n" * 60
SMALL = (
    "data=text", "data.root=own.txt", "data.window=8", "model=lstm", "model.embedding=4", "model.hidden=8",
    "train.epochs=2", "train.optimizer=adamw", "retrain.epochs=1", "device=cpu", "runtime.dashboard=false",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("language")
    (folder / "own.txt").write_text(TEXT)
    fresh_store(folder)
    words = ("-m", *SMALL, "curve.densities=[0.5,0.2]", "mode=prune,scratch_e", "runtime.models=final")
    done = called(folder, *words)
    assert done.returncode == 0, done.stderr
    return folder


def test_points_are_judged_by_perplexity(folder: Path) -> None:
    found = runs(folder)
    assert len(found) == 4
    for run in found:
        of = unflatten(PointIdentity, with_hashes(run.data.params, run.data.tags))
        assert (of.task, of.primary.name, of.primary.direction) == ("language_model", "perplexity", "minimize")
        metrics = run.data.metrics
        for moment in ("dense", "after"):
            for split in ("val", "test"):
                assert metrics[f"{split}.{moment}.perplexity"] == pytest.approx(
                    math.exp(metrics[f"{split}.{moment}.loss"]), rel=1e-6
                )
        assert not any("top" in name for name in metrics)
        assert 1 < metrics["val.after.perplexity"] < 97
        assert metrics["flop_dense"] > 0


def test_nothing_is_computed_twice(folder: Path) -> None:
    done = called(folder, *SMALL, "curve.densities=[0.5,0.2]", "plan=true")
    assert "2 asked, 2 in the store" in done.stdout + done.stderr


def test_a_figure_and_a_table_are_made_of_it(folder: Path) -> None:
    for name in ("tradeoff", "prune_vs_scratch"):
        done = called(folder, name, "--out", "reports", program="analysis")
        assert done.returncode == 0, done.stderr
    [drawn] = (folder / "reports").glob("tradeoff-*.csv")
    with drawn.open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert "perplexity" in drawn.read_text()
    assert "perplexity" in (folder / "reports" / "prune_vs_scratch.csv").read_text()


def test_a_scan_measures_what_each_layer_costs(folder: Path) -> None:
    grid = ("study=sensitivity", "study.densities=[0.5,0.05]", "study.resamples=50")
    done = called(folder, *SMALL, *grid, program="sweeps")
    assert done.returncode == 0, done.stderr
    [run] = runs(folder, "scan")
    assert unflatten(ScanIdentity, with_hashes(run.data.params, run.data.tags)).primary.name == "perplexity"
    done = called(folder, "sensitivity", "--out", "reports", program="analysis")
    assert done.returncode == 0, done.stderr


def test_a_search_minimises_it(folder: Path) -> None:
    study = ("study=layer_thresholds", "study.trials=3", "study.starts=1", "study.finalists=1")
    done = called(folder, *SMALL, *study, program="sweeps")
    assert done.returncode == 0, done.stderr
    assert "perplexity" in done.stdout
