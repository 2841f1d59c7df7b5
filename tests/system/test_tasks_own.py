"""A task of the user's own, from a folder outside: a regression, scored by a squared error that is to be small."""

from __future__ import annotations

from pathlib import Path

import pytest

from pruneexp import schema
from pruneexp.schema import PointIdentity, unflatten, with_hashes
from tests.contracts.commands import called
from tests.contracts.jobs import runs
from tests.contracts.own_code import write
from tests.contracts.records import fresh_store

FILES = {
    "own_regression.py": """
        from dataclasses import dataclass
        from typing import ClassVar

        import torch
        from torch import nn
        from pruneexp.data.tensors import tensor_dataset
        from pruneexp.schema import Metric, Score
        from pruneexp.tasks.task import OutputForm

        @dataclass(frozen=True)
        class Regression:
            name: ClassVar[str] = "regression"
            metrics: ClassVar[tuple[Metric, ...]] = (Metric("mse", direction="minimize"),)
            examples: ClassVar[str] = "rows"
            scale: float = 1.0

            def check(self, data): pass

            def example(self, data, shape, count, generator):
                return torch.randn(count, *shape, generator=generator), torch.zeros(count, 1)

            def output(self, data, shape):
                return OutputForm((1,), "one number")

            def loss(self, network, inputs, targets, *, smoothing=0.0):
                outputs = network(inputs)
                return self.scale * nn.functional.mse_loss(outputs, targets), outputs

            def meter(self): return Meter()

        class Meter:
            def __init__(self): self.errors = []

            def update(self, outputs, targets): self.errors.append((outputs - targets).square().mean(1))

            def compute(self):
                error = float(torch.cat(self.errors).double().mean())
                return Score(loss=error, metrics={"mse": error})

        def line(rows):
            draws = torch.Generator().manual_seed(0)
            parts = []
            for count in (rows, 50, 50):
                inputs = torch.randn(count, 6, generator=draws)
                parts.append((inputs, inputs[:, :3].sum(1, keepdim=True)))
            return tensor_dataset("line", *parts)

        def small(width):
            return nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 1))
    """,
    "data/line.yaml": """
        _target_: own_regression.line
        rows: 200
        info: {task: {_target_: own_regression.Regression}}
    """,
    "model/small.yaml": """
        _target_: own_regression.small
        width: 16
    """,
}
OWN = (
    "--config-dir", "mine", "data=line", "model=small", "train.epochs=20", "retrain.epochs=5", "device=cpu",
    "curve.densities=[0.5,0.1]", "runtime.dashboard=false",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("regression")
    write(folder / "mine", FILES)
    fresh_store(folder)
    done = called(folder, *OWN)
    assert done.returncode == 0, done.stderr
    return folder


def test_points_are_judged_by_the_metric_of_the_task(folder: Path) -> None:
    found = runs(folder)
    assert len(found) == 2
    for run in found:
        of = unflatten(PointIdentity, with_hashes(run.data.params, run.data.tags))
        assert (of.task, of.primary.name, of.primary.direction, of.primary.unit) == (
            "regression",
            "mse",
            "minimize",
            "",
        )
        assert run.data.metrics["val.dense.mse"] < 0.5  # of targets with a variance of three
    by_density = {run.data.params["budget.value"]: run.data.metrics["val.after.mse"] for run in found}
    assert by_density["0.1"] > by_density["0.5"]


def test_a_value_of_the_task_and_its_code_are_identity(folder: Path) -> None:
    (dense,) = {run.data.tags["pruneexp.dense_key"] for run in runs(folder)}
    done = called(folder, *OWN, "+data.info.task.scale=2.0", "plan=true")
    assert "2 asked, 0 in the store" in done.stdout + done.stderr
    path = folder / "mine" / "own_regression.py"
    before = path.read_text()
    path.write_text(before.replace("one number", "a number"))
    done = called(folder, *OWN, "plan=true")
    assert "2 asked, 0 in the store" in done.stdout + done.stderr
    path.write_text(before)
    done = called(folder, *OWN, "plan=true")
    assert "2 asked, 2 in the store" in done.stdout + done.stderr
    assert {run.data.tags["pruneexp.dense_key"] for run in runs(folder)} == {dense}


def test_its_figure_is_drawn(folder: Path) -> None:
    done = called(folder, "tradeoff", "--out", "reports", program="analysis")
    assert done.returncode == 0, done.stderr
    [drawn] = (folder / "reports").glob("tradeoff-*.csv")
    assert "mse" in drawn.read_text()


def test_a_scan_of_it_is_refused_for_want_of_single_examples(folder: Path) -> None:
    done = called(folder, *OWN, "study=sensitivity", program="sweeps")
    assert done.returncode == 2
    assert "the task 'regression' has others: it has no per_example" in done.stderr
    assert done.stderr.count("\n") == 1
    assert runs(folder, schema.SCAN_KEY) == []
