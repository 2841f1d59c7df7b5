"""The whole way: a sweep as it is typed, its records, and the figure and tables made from them alone."""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.contracts.composing import SMALL

ROOT = Path(__file__).parents[2]


def _typed(folder: Path, module: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_from_command_to_figure(tmp_path: Path) -> None:
    _typed(tmp_path, "pruneexp", "-m", *SMALL, "reg=l1,l2", "mode=prune,scratch_e")
    said = _typed(tmp_path, "analysis", "all", "--out", "first")
    _typed(tmp_path, "analysis", "all", "--out", "second")
    first = _digests(tmp_path / "first")
    assert first == _digests(tmp_path / "second")
    for name in ("tradeoff-synthetic-lenet_300_100.png", "tradeoff-synthetic-lenet_300_100.svg", "claims.md"):
        assert name in first
        assert name in said
    with (tmp_path / "first" / "prune_vs_scratch.csv").open() as file:
        columns = {row["column"] for row in csv.DictReader(file)}
    assert columns == {"Unpruned", "Fine-tuned", "Scratch-E"}
    with (tmp_path / "first" / "tradeoff-synthetic-lenet_300_100.csv").open() as file:
        assert len({row["runs"] for row in csv.DictReader(file)}) == 4  # two penalties, two densities, one seed
