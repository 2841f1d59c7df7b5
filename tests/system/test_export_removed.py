"""``python -m pruneexp.export --removed``: a small network that computes what the masked one of the record does."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import pruneexp
from tests.contracts.commands import about, called, exported
from tests.contracts.composing import SMALL
from tests.contracts.jobs import runs
from tests.contracts.records import fresh_store

JOB = (*(word for word in SMALL if not word.startswith(("curve", "model"))), "model=lenet5", "data.image_size=28")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("removed")
    fresh_store(folder)
    channels, rows = (
        ("criterion=channel_magnitude", "curve.units=[0.5]"),
        ("criterion=row_magnitude", "curve.units=[0.6]"),
    )
    scratch = ("criterion=channel_magnitude", "curve.flops=[0.4]", "mode=scratch_e", "+mode.small_init=true")
    for words in (channels, (*rows, "criterion.exclude=[fc2]"), ("curve.densities=[0.95]",), scratch):
        done = called(folder, *JOB, *words)
        assert done.returncode == 0, done.stderr
    return folder


def test_channels_that_masks_cut_are_taken_out(folder: Path) -> None:
    words = ("criterion=channel_magnitude", "mode=prune", "--removed", "--torch-export", "--to")
    status, said, complained = exported(folder, *words, "small")
    assert (status, complained) == (0, "")
    state = load_file(folder / "small" / "weights.safetensors")
    assert [len(tensor) for name, tensor in state.items() if name.endswith("weight")] == [10, 25, 250, 4]
    wanted = {"criterion": "channel_magnitude", "mode": "prune"}
    (run,) = (run for run in runs(folder) if wanted.items() <= run.data.params.items())
    removed, parameters = about(folder / "small")["removed"], sum(tensor.numel() for tensor in state.values())
    assert removed["parameters"] == run.data.metrics["removed_parameters"] == parameters
    assert removed["flop"] == run.data.metrics["removed_flop"] == run.data.metrics["flop_weights"]
    assert f"  removed: {parameters:,} of {removed['parameters_dense']:,} parameters, " in said
    scores = about(folder / "small")["scores"]
    assert scores["recorded"] == pytest.approx(scores["exported"], rel=1e-5)


@pytest.mark.parametrize(
    "of", [("criterion=channel_magnitude", "mode=prune"), ("criterion=row_magnitude",), ("mode=scratch_e",)]
)
def test_the_small_network_computes_what_the_masked_one_does(folder: Path, of: tuple[str, ...], tmp_path: Path) -> None:
    for words in (("--to", f"{tmp_path}/whole"), ("--to", f"{tmp_path}/small", "--removed")):
        assert exported(folder, *of, *words)[0] == 0
    whole, small = (runpy.run_path(str(tmp_path / size / "load.py"))["network"] for size in ("whole", "small"))
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(small(images), whole(images), atol=1e-5)
    assert [len(layer.weight) for layer in (small.conv1, small.conv2, small.fc1)] < [20, 50, 500]
    kept = pruneexp.keep(tmp_path / "small", small, torch.optim.SGD(small.parameters()))
    assert kept.masks.density == 1


def test_where_no_channel_can_go_that_is_said(folder: Path) -> None:
    status, _, complained = exported(folder, "criterion=global_magnitude", "--to", "none", "--removed")
    assert (status, complained.count("\n")) == (2, 1)
    assert "some kept weight reads every channel of the network, so that none can go" in complained
