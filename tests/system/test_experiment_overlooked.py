"""What numbers leave out is said in every plan, below tables and in records; and a plan never stops a job."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from pruneexp.__main__ import main
from pruneexp.experiment import pace
from sweeps.__main__ import main as sweeps
from tests.contracts import brought
from tests.contracts.composing import SMALL
from tests.contracts.jobs import built


def overlooked(network: type[nn.Module], *others: str, **arguments: Any) -> str:
    return built(*brought.overrides(network, **arguments), *others).overlooked


def test_every_matrix_is_in_scope() -> None:
    assert overlooked(brought.Mixed) == ""


def test_what_the_user_leaves_out_is_named_with_its_share() -> None:
    linear, recurrent = 36 * 12 + 12 * 12 + 8 * 4, 24 * 12 + 24 * 8
    share = f"{100 * (recurrent + 64) / (linear + recurrent + 64):.3g}"
    assert overlooked(brought.Mixed, "criterion.layers=[linear]") == (
        f"not pruned: rows.weight_ih_l0, rows.weight_hh_l0, bare.0, {share} % of the weights"
    )
    conv = 4 * 9 + 6 * 4 * 9
    share = f"{100 * conv / (conv + 6 * 36 * 4):.3g}"
    assert overlooked(brought.Convolutional, "criterion.exclude=['conv*']") == (
        f"not pruned: conv1, conv2, {share} % of the weights"
    )


def test_a_weight_that_a_function_uses_is_told_from_one_that_no_code_uses() -> None:
    assert overlooked(brought.Functional, both=False) == overlooked(brought.Functional, both=True) == ""
    assert overlooked(brought.Empty) == "not called by the images tried: idle"


def test_long_lists_are_shortened() -> None:
    said = overlooked(brought.Mixed, "criterion.layers=[linear]", bare=12)
    assert "rows.weight_hh_l0, bare.0, bare.1, bare.2, bare.3 and 8 more, " in said


@pytest.mark.parametrize("network", ["lenet_300_100", "lenet5"])
def test_nothing_is_left_out_of_the_shipped_networks(network: str) -> None:
    assert built(f"model={network}", "data.image_size=16").overlooked == ""


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["study=sensitivity"],
        ["study=knee", "study.seeds=[0]"],
        ["study=layer_thresholds", "criterion=layer_magnitude"],
        ["-m", "seed=0,1"],
    ],
)
def test_every_plan_says_it(words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = sweeps if any(word.startswith("study=") for word in words) else main
    with contextlib.chdir(tmp_path):
        assert command([*words, *SMALL, *brought.overrides(brought.Empty), "plan=true"]) == 0
    assert "  warning   not called by the images tried: idle\n" in capfd.readouterr().out


def test_a_plan_times_two_images_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "TIMED_FLOP", 1.0)
    assert 0 < pace.seconds_per_epoch(built(*brought.overrides(brought.Neck)).setting) < 60


def test_a_plan_whose_steps_fail_says_no_time(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with contextlib.chdir(tmp_path):
        assert main([*SMALL, *brought.overrides(brought.Neck, most=4), "plan=true"]) == 0
    said = capfd.readouterr().out
    assert "FLOP\n" in said
    assert "1 to train (2 epochs)" in said
