"""Heads of attention and residual branches through a job, its record and ``python -m pruneexp.export --removed``."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.contracts.commands import about, called, exported
from tests.contracts.composing import SMALL
from tests.contracts.jobs import runs

JOB = (*(word for word in SMALL if not word.startswith(("curve", "data", "model"))), "curve.units=[0.5]")
TEXT = ("data=text", "data.root=novel.txt", "data.window=8")
OF = {
    "head_magnitude": (*TEXT, "model=transformer", "model.width=16", "model.heads=4"),
    "residual_magnitude": ("data=synthetic", "model=resnet20", "model.widths=[4,6,8]"),
}


@pytest.mark.slow  # each is computed, exported twice, and compared as a graph; test_export_removed is fast
@pytest.mark.parametrize("criterion", OF)
def test_the_small_network_of_a_job_computes_what_the_masked_one_does(criterion: str, tmp_path: Path) -> None:
    (tmp_path / "novel.txt").write_text("It was a dark and stormy night, and the rain fell in torrents. " * 60)
    done = called(tmp_path, *JOB, *OF[criterion], f"criterion={criterion}")
    assert done.returncode == 0, done.stderr
    for words in (("--to", "whole"), ("--to", "small", "--removed", "--torch-export")):
        status, _, complained = exported(tmp_path, "units=0.5", *words)
        assert (status, complained) == (0, "")
    whole, small = (runpy.run_path(str(tmp_path / size / "load.py"))["network"] for size in ("whole", "small"))
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(97, (3, 8), generator=generator)
    inputs: Tensor = tokens if "text" in OF[criterion][0] else torch.rand(3, *whole.input_shape, generator=generator)
    wanted, found = whole(inputs), small(inputs)
    assert (wanted - found).abs().max() < 1e-5 * wanted.abs().max()
    assert wanted.std(0).max() > 1e-3
    (run,) = (run for run in runs(tmp_path) if run.data.params.get("criterion") == criterion)
    removed = about(tmp_path / "small")["removed"]
    parameters = sum(parameter.numel() for parameter in small.parameters())
    assert run.data.metrics["removed_parameters"] == removed["parameters"] == parameters < removed["parameters_dense"]
    assert run.data.metrics["removed_flop"] == removed["flop"] < 0.85 * removed["flop_dense"]
