"""The whole way: a sweep as it is typed, its records, and the figure and tables made from them alone."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

from tests.contracts.commands import called, typed
from tests.contracts.composing import SMALL
from tests.contracts.records import fresh_store


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_from_command_to_figure(tmp_path: Path) -> None:
    fresh_store(tmp_path)
    swept = typed(tmp_path, "-m", *SMALL, "reg=l1,l2", "mode=prune,scratch_e")
    assert swept.returncode == 0, swept.stderr
    drawn = typed(tmp_path, "all", "--out", "first", program="analysis")
    assert drawn.returncode == 0, drawn.stderr
    assert called(tmp_path, "all", "--out", "second", program="analysis").returncode == 0
    first = _digests(tmp_path / "first")
    assert first == _digests(tmp_path / "second")
    for name in ("tradeoff-synthetic-lenet_300_100.png", "tradeoff-synthetic-lenet_300_100.svg", "claims.md"):
        assert name in first
        assert name in drawn.stdout
    with (tmp_path / "first" / "prune_vs_scratch.csv").open() as file:
        columns = {row["column"] for row in csv.DictReader(file)}
    assert columns == {"Unpruned", "Fine-tuned", "Scratch-E"}
    with (tmp_path / "first" / "tradeoff-synthetic-lenet_300_100.csv").open() as file:
        assert len({row["runs"] for row in csv.DictReader(file)}) == 4  # two penalties, two densities, one seed
