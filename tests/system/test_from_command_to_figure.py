"""The whole way: a sweep as it is typed, its records, and the figure and tables made from them alone."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.contracts.commands import typed
from tests.contracts.composing import SMALL
from tests.contracts.jobs import runs


def test_from_command_to_figure(tmp_path: Path) -> None:
    folder = tmp_path / "a folder with spaces"
    folder.mkdir()
    swept = typed(folder, "-m", *SMALL, "reg=l1,l2", "mode=prune,scratch_e")
    assert swept.returncode == 0, swept.stderr
    assert swept.stdout.count("d=0.5") == 4
    assert sorted(path.name for path in folder.iterdir()) == [".pruneexp", "mlflow.db", "mlflow.db.lock", "mlruns"]
    assert len(runs(folder)) == 8
    assert len({run.data.tags["pruneexp.dense_key"] for run in runs(folder)}) == 2
    drawn = typed(folder, "all", "--out", "first", program="analysis")
    assert drawn.returncode == 0, drawn.stderr
    made = {path.name for path in (folder / "first").iterdir()}
    for name in ("tradeoff-synthetic-lenet_300_100.png", "tradeoff-synthetic-lenet_300_100.svg", "claims.md"):
        assert name in made
        assert name in drawn.stdout
    with (folder / "first" / "prune_vs_scratch.csv").open() as file:
        columns = {row["column"] for row in csv.DictReader(file)}
    assert columns == {"Unpruned", "Fine-tuned", "Scratch-E"}
    with (folder / "first" / "tradeoff-synthetic-lenet_300_100.csv").open() as file:
        assert len({row["runs"] for row in csv.DictReader(file)}) == 4  # two penalties, two densities, one seed
