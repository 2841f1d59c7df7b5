"""The notebook in docs/ runs from its first to its last cell, on records of real experiments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from analysis import points
from analysis.statistics.inference import compare, holm

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs/analysis.ipynb"
#: Two penalties, two schedules, three seeds, two densities, of a network that is trained within seconds.
WORDS = [
    "-m", "experiment=demo", "data=synthetic", "reg=l1,l2", "schedule=one_shot,progressive", "seed=0,1,2",
    "curve.densities=[0.5,0.2]", "train.epochs=1", "retrain.epochs=1",
]  # fmt: skip


def _cells() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return made


def _run(folder: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    made = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_it_is_a_notebook_of_format_4_without_outputs() -> None:
    whole = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (whole["nbformat"], whole["metadata"]["kernelspec"]["language"]) == (4, "python")
    cells = _cells()
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert {cell["cell_type"] for cell in cells} == {"markdown", "code"}
    for cell in cells:
        assert isinstance(cell["metadata"], dict)
        assert all(isinstance(line, str) for line in cell["source"])
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


@pytest.mark.timeout(900)
def test_its_cells_run_in_order(tmp_path: Path) -> None:
    _run(tmp_path, "-m", "pruneexp", *WORDS)
    code = ["".join(cell["source"]) for cell in _cells() if cell["cell_type"] == "code"]
    told = "print(verdicts.reset_index().to_json(orient='records'))\nprint(after.to_json())"
    (tmp_path / "notebook.py").write_text("\n\n".join([*code, told]), encoding="utf-8")
    *_, verdicts, after = _run(tmp_path, "notebook.py").splitlines()
    assert (tmp_path / "flop.png").stat().st_size > 5_000
    rows = points(f"sqlite:///{tmp_path}/mlflow.db")
    assert len(rows) == 24
    assert len(json.loads(after)) == 4  # mean and standard deviation at two densities
    expected = holm([compare(_ahead(rows, *budget), 1.0) for budget in _budgets(json.loads(verdicts))])
    found = [(row["n"], row["mean"], row["verdict"]) for row in json.loads(verdicts)]
    assert found == [(one.n, pytest.approx(one.mean), one.verdict) for one in expected]


def _budgets(verdicts: list[dict[str, Any]]) -> list[tuple[str, float]]:
    return [(row["schedule"], row["density"]) for row in verdicts]


def _ahead(rows: Any, schedule: str, density: float) -> list[float]:
    """By how much L2 is ahead of L1, seed by seed."""
    chosen = rows[(rows["schedule"] == schedule) & (rows["budget.value"] == density)]
    scores = {(row["reg"], row["seed"]): row["test.after.top1"] for row in chosen.to_dict("records")}
    return [scores["l2", seed] - scores["l1", seed] for seed in range(3)]
